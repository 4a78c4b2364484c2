"""The owner of the model: one turn at a time, fair between jobs, and nothing for a job that is stopped."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from f5_worker.errors import JobStopped
from f5_worker.job.context import Stop
from f5_worker.speech.scheduler import Scheduler
from tests import PATIENCE


class Turns:
    """Work of ``count`` turns, noted in ``order`` under its ``name``; a turn waits for ``gate``."""

    def __init__(self, name: str, count: int, order: list[str], gate: threading.Event) -> None:
        self.name, self.count, self.order, self.gate = name, count, order, gate
        self.began = threading.Event()

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.began.set()
            assert self.gate.wait(PATIENCE)
            self.order.append(self.name)
            yield number


def open_gate() -> threading.Event:
    gate = threading.Event()
    gate.set()
    return gate


def in_thread(scheduler: Scheduler, turns: Turns, stop: Stop, results: dict[str, object]) -> threading.Thread:
    def consume() -> None:
        try:
            results[turns.name] = list(scheduler.stream(iter(turns), stop))
        except JobStopped as stopped:
            results[turns.name] = stopped

    thread = threading.Thread(target=consume)
    thread.start()
    return thread


def test_results_come_in_order_and_all_turns_are_taken_by_one_thread() -> None:
    scheduler, threads = Scheduler(), set[int]()

    def turns() -> Iterator[int]:
        for number in range(5):
            threads.add(threading.get_ident())
            yield number

    assert list(scheduler.stream(turns(), Stop())) == list(range(5))
    assert scheduler.run(lambda: threads.add(threading.get_ident()), Stop()) is None
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_jobs_take_turns_so_that_a_short_one_does_not_wait_for_a_long_one() -> None:
    scheduler, order, results, gate = Scheduler(), list[str](), dict[str, object](), threading.Event()
    long, short = Turns("long", 6, order, gate), Turns("short", 2, order, open_gate())
    first = in_thread(scheduler, long, Stop(), results)
    assert long.began.wait(PATIENCE)
    second = in_thread(scheduler, short, Stop(), results)
    while not scheduler._waiting:
        second.join(0.001)
    gate.set()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert order == ["long", "short", "long", "short", "long", "long", "long", "long"]
    assert results == {"long": list(range(6)), "short": [0, 1]}


def test_a_result_can_be_used_while_the_next_is_being_made() -> None:
    scheduler, order, gate = Scheduler(), list[str](), threading.Event()
    used = threading.Event()

    def turns() -> Iterator[str]:
        yield "first"
        assert used.wait(PATIENCE)  # would never come if the next turn waited for the consumer, or the consumer for it
        yield "second"

    stream = scheduler.stream(turns(), Stop())
    assert next(stream) == "first"
    used.set()
    assert next(stream) == "second"
    assert (order, gate.is_set()) == ([], False)


def test_a_job_that_is_stopped_while_it_waits_is_dropped_at_once() -> None:
    scheduler, order, results, gate = Scheduler(), list[str](), dict[str, object](), threading.Event()
    speaking, waiting, stop = Turns("speaking", 1, order, gate), Turns("waiting", 3, order, open_gate()), Stop()
    first = in_thread(scheduler, speaking, Stop(), results)
    assert speaking.began.wait(PATIENCE)
    second = in_thread(scheduler, waiting, stop, results)
    while not scheduler._waiting:
        second.join(0.001)
    stop.set()
    second.join(PATIENCE)
    assert isinstance(results["waiting"], JobStopped)
    gate.set()
    first.join(PATIENCE)
    assert order == ["speaking"]
    assert scheduler.run(lambda: "goes on", Stop()) == "goes on"


def test_a_job_that_is_stopped_in_its_turn_ends_with_it() -> None:
    scheduler, order, results, gate, stop = Scheduler(), list[str](), dict[str, object](), threading.Event(), Stop()
    turns = Turns("stopped", 3, order, gate)
    thread = in_thread(scheduler, turns, stop, results)
    assert turns.began.wait(PATIENCE)
    stop.set()
    assert thread.is_alive()  # its turn still has the model
    gate.set()
    thread.join(PATIENCE)
    assert isinstance(results["stopped"], JobStopped)
    assert scheduler.run(lambda: list(order), Stop()) == ["stopped"]


def test_a_job_that_is_stopped_before_it_comes_takes_no_turn() -> None:
    scheduler, order, stop = Scheduler(), list[str](), Stop()
    stop.set()
    with pytest.raises(JobStopped):
        list(scheduler.stream(iter(Turns("late", 1, order, open_gate())), stop))
    assert scheduler.run(lambda: list(order), Stop()) == []


@pytest.mark.parametrize("end", ["stop", "close"])
def test_what_ends_between_a_turn_and_the_next_takes_no_further_turn(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    scheduler, order, stop = Scheduler(), list[str](), Stop()
    requeue = scheduler._requeue
    at_the_gap, go_on, requeued = threading.Event(), threading.Event(), threading.Event()

    def held_up(work: Any) -> None:
        at_the_gap.set()
        assert go_on.wait(PATIENCE)
        requeue(work)
        requeued.set()

    monkeypatch.setattr(scheduler, "_requeue", held_up)
    stream = scheduler.stream(iter(Turns("ended", 3, order, open_gate())), stop)
    assert next(stream) == 0
    assert at_the_gap.wait(PATIENCE)
    if end == "stop":
        stop.set()
    else:
        stream.close()  # type: ignore[attr-defined]
    go_on.set()
    assert requeued.wait(PATIENCE)
    if end == "stop":
        with pytest.raises(JobStopped):
            next(stream)
    assert scheduler.run(lambda: list(order), Stop()) == ["ended"]


def test_what_is_raised_in_a_turn_reaches_its_job_and_no_other() -> None:
    scheduler = Scheduler()

    def fail() -> None:
        raise MemoryError("here")

    with pytest.raises(MemoryError, match="here"):
        scheduler.run(fail, Stop())
    assert scheduler.run(lambda: 1, Stop()) == 1


def test_a_stream_that_is_closed_takes_no_further_turn() -> None:
    scheduler, order = Scheduler(), list[str]()
    gates = [open_gate(), threading.Event()]

    def turns() -> Iterator[int]:
        for number, gate in enumerate(gates):
            assert gate.wait(PATIENCE)
            order.append(str(number))
            yield number
        order.append("more")
        yield 2

    stream = scheduler.stream(turns(), Stop())
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    gates[1].set()
    scheduler.run(lambda: None, Stop())
    scheduler.run(lambda: None, Stop())
    assert "more" not in order
