"""Many workers on one volume, with real processes: one builds, and a dead, frozen or stopped one is followed by another."""

import os
import signal
import time
from pathlib import Path

import pytest

from bootstrap.places import Location
from bootstrap.store import KEEP_SECONDS, Store
from tests import PATIENCE, wait_until
from tests.support.bootstrap_packages import World, make_wheel, many_files, processes_with, tiny_world, value

__all__ = ["tiny_world"]  # fixtures that come from the helpers


def test_of_eight_at_once_one_builds(world: World) -> None:
    starts = [world.start() for _ in range(8)]
    reports = [start.finish() for start in starts]
    assert {report.status for report in reports} <= {"built", "ready"}
    assert len({report.interpreter for report in reports}) == 1
    assert sum("bootstrap: making an environment" in start.text for start in starts) == 1
    assert len(world.builds()) == 1


def waits_for(file: Path) -> str:
    """The code of a module whose import ends when the file is there."""
    return f"import pathlib, time\nwhile not pathlib.Path({str(file)!r}).exists():\n    time.sleep(0.02)\n"


def test_waiters_say_what_they_wait_for(world: World) -> None:
    go = world.folder / "go"
    make_wheel(world.wheels, "slow", "1.0", {"slow.py": waits_for(go)})
    world.require("slow==1.0")
    world.let_it_import("slow")
    first = world.start()
    first.wait_for("checking that")
    second = world.start()
    second.wait_for("another worker builds the environment; waiting (checking that")
    go.touch()
    assert first.finish().interpreter == second.finish().interpreter


def test_those_who_waited_for_a_build_that_fails_do_not_try_one_after_the_other(world: World) -> None:
    go = world.folder / "go"
    make_wheel(world.wheels, "broken", "1.0", {"broken.py": f"{waits_for(go)}raise ImportError('no')\n"})
    world.require("broken==1.0")
    world.let_it_import("broken")
    first = world.start()
    first.wait_for("checking that")
    others = [world.start() for _ in range(3)]
    for other in others:
        other.wait_for("another worker builds the environment; waiting")
    go.touch()
    reports = [start.finish() for start in [first, *others]]
    assert {report.cause for report in reports} == {"import"}
    assert sum("bootstrap: making an environment" in start.text for start in [first, *others]) == 1


@pytest.fixture
def slow_world(world: World) -> World:
    """One whose builds take a second or two."""
    make_wheel(world.wheels, "many", "1.0", many_files("many", 1500))
    make_wheel(world.wheels, "slow", "1.0", {"slow.py": "import time\ntime.sleep(0.6)\n"})
    world.require("tiny==1.0", "many==1.0", "slow==1.0")
    world.let_it_import("tiny", "slow")
    return world


def test_kill_at_ten_moments_then_one_more_start(slow_world: World) -> None:
    go = slow_world.folder / "go"
    make_wheel(slow_world.wheels, "slow", "1.0", {"slow.py": waits_for(go)})  # no victim is done before it is killed
    moments = [
        ("free on", 0.0),
        ("making an environment", 0.0),
        ("making an environment", 0.05),
        ("installing", 0.0),
        ("installing", 0.1),
        ("Resolved", 0.0),
        ("Resolved", 0.2),
        ("installed in", 0.0),
        ("checking that", 0.0),
        ("checking that", 0.4),
    ]
    for text, delay in moments:
        victim = slow_world.start(F5_BOOTSTRAP_STALE="0.3")
        victim.wait_for(text)
        time.sleep(delay)
        victim.kill()
        assert not list(slow_world.volume.glob("*/venvs/*/ready.json"))
    go.touch()
    last = slow_world.start(F5_BOOTSTRAP_STALE="0.3")
    report = last.finish()
    assert "has died; taking over" in last.text
    assert (report.status, value(report.interpreter)) == ("built", "1")
    assert slow_world.builds() == [Path(report.interpreter).parent.parent]
    wait_until(lambda: not (slow_world.volume / "f5-tts-worker" / "trash").exists())
    wait_until(lambda: not processes_with(str(slow_world.volume)))  # no installer outlives its builder


def test_of_those_who_take_over_one_wins(slow_world: World) -> None:
    victim = slow_world.start()
    victim.wait_for("installing")
    victim.kill()
    starts = [slow_world.start(F5_BOOTSTRAP_STALE="3") for _ in range(4)]
    reports = [start.finish() for start in starts]
    assert len({report.interpreter for report in reports}) == 1
    assert {report.status for report in reports} == {"built"}
    assert sum("bootstrap: making an environment" in start.text for start in starts) == 1
    assert len(slow_world.builds()) == 1


def test_a_frozen_builder_is_taken_over_and_gives_way_when_it_wakes(slow_world: World) -> None:
    frozen = slow_world.start()
    frozen.wait_for("installing")
    frozen.process.send_signal(signal.SIGSTOP)
    try:
        report = slow_world.start(F5_BOOTSTRAP_STALE="1").finish()
    finally:
        frozen.process.send_signal(signal.SIGCONT)
    woken = frozen.finish()
    assert "another worker has taken this build over" in frozen.text
    assert woken.interpreter == report.interpreter
    assert value(report.interpreter) == "1"
    assert len(slow_world.builds()) == 1


def test_a_stopped_builder_hands_over_at_once(slow_world: World) -> None:
    stopped = slow_world.start()
    stopped.wait_for("installing")
    waiter = slow_world.start(F5_BOOTSTRAP_STALE="50")
    waiter.wait_for("waiting")
    assert stopped.stop() == 128 + signal.SIGTERM
    assert waiter.finish(40).status == "built"
    assert "has died" not in waiter.text


def test_clocks_an_hour_apart_change_nothing(slow_world: World) -> None:
    starts = [slow_world.start(clock_shift=shift) for shift in (-3600.0, 3600.0, 0.0)]
    builder = None
    deadline = time.monotonic() + PATIENCE
    while builder is None and time.monotonic() < deadline:
        builder = next((start for start in starts if "installing" in start.text), None)
        time.sleep(0.01)
    assert builder is not None
    for path in slow_world.volume.rglob("lease-*/beat"):
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    reports = [start.finish() for start in starts]
    assert len({report.interpreter for report in reports}) == 1
    assert sum("bootstrap: making an environment" in start.text for start in starts) == 1
    assert not any("has died" in start.text for start in starts)


def test_a_dead_builder_with_another_clock_is_taken_over(slow_world: World) -> None:
    victim = slow_world.start(clock_shift=3600.0)
    victim.wait_for("installing")
    victim.kill()
    successor = slow_world.start(F5_BOOTSTRAP_STALE="1")
    successor.wait_for("taking over")
    assert successor.finish().status == "built"


# --- New requirements, old workers -------------------------------------------------------------------------------------------


def release(world: World, version: str) -> str:
    """Build the environment of a new release, wait until what it removes is gone; returns its interpreter."""
    world.require(f"tiny=={version}.0")
    report = world.start().finish()
    assert (report.status, value(report.interpreter)) == ("built", version)
    world.wait_for_sweepers()
    return report.interpreter


def test_environments_of_this_week_stay(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    built = [release(world, version) for version in ("1", "2", "3")]
    assert [value(python) for python in built] == ["1", "2", "3"]
    clock = time.time() + 10 * KEEP_SECONDS
    monkeypatch.setattr(time, "time", lambda: clock)
    assert Store(Location("volume", world.volume)).outdated(Path(built[2]).parents[2].name) == [], "a host's wrong clock counts"


def test_of_older_environments_the_newest_two_stay(world: World) -> None:
    first, second = release(world, "1"), release(world, "2")
    failed = world.volume / "f5-tts-worker" / "venvs" / "never-ready"
    failed.mkdir()
    for home in world.homes():
        past = home.stat().st_mtime - KEEP_SECONDS - 1
        os.utime(home, (past, past))
    third = release(world, "3")
    assert world.homes() == sorted(Path(python).parents[2] for python in (second, third))
    assert not Path(first).exists()
    assert (value(second), value(third)) == ("2", "3"), "one is kept for a rollback"
    world.require("tiny==2.0")
    assert world.start().finish().status == "ready"
