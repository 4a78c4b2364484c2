"""Callers that send job after job to a worker, and the account of what became of them."""

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.long_text import long_text
from tests import PATIENCE
from tests.support.job_api import TAKEN, JobApi, Kind

BAD: tuple[dict[str, Any], ...] = (
    {"text": ""},
    {"text": "Hello.", "sped": 2},
    {"items": []},
    {"endpoint": "sing"},
    {"text": "Hi.", "ref_audio_base64": "AAAA"},
)
BAD_SHARE, STOP_SHARE, ITEMS_SHARE, LONG_SHARE = 0.05, 0.05, 0.15, 0.15
STOPPED_WITHIN = 1.5  # seconds


class Weather:
    """Faults of posts: a share of them is answered 429 or 500, or the connection is dropped, before or after they are taken."""

    def __init__(self, share: float, rng: random.Random) -> None:
        self._share, self._rng, self._lock = share, rng, threading.Lock()
        self.failed = 0
        self.unknowable: set[str] = set()
        """Jobs of which a result was taken and the worker not told so."""

    def __call__(self, job_id: str, kind: Kind) -> int | None:
        with self._lock:
            if self._rng.random() >= self._share:
                return 200
            self.failed += 1
            fault = self._rng.choice((429, 500, None, TAKEN))
            if fault == TAKEN and kind == "result":
                self.unknowable.add(job_id)
            return fault


@dataclass(slots=True)
class Sent:
    """One job, and whether it is wrong, or was stopped."""

    job_id: str
    bad: bool
    stopped: bool
    seconds: float | None = None


@dataclass(slots=True)
class Account:
    """What became of the jobs of one phase."""

    jobs: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    speech_seconds: float = 0.0
    answer_seconds: list[float] = field(default_factory=list)


def new_job(rng: random.Random, nfe_step: int) -> tuple[dict[str, Any], bool]:
    """A job's input, and whether it is wrong."""
    kind = rng.random()
    if kind < BAD_SHARE:
        return dict(rng.choice(BAD)), True
    fields: dict[str, Any] = {
        "nfe_step": nfe_step,
        "output_format": rng.choice(("wav", "mp3", "ogg")),
        "seed": rng.randrange(2**31),
    }
    if kind < BAD_SHARE + ITEMS_SHARE:
        items: list[dict[str, Any]] = [{"text": long_text(1)} for _ in range(rng.randint(2, 6))]
        if rng.random() < 0.2:
            items[-1]["speed"] = 99
        return {**fields, "items": items}, False
    sentences = rng.randint(6, 12) if kind < BAD_SHARE + ITEMS_SHARE + LONG_SHARE else rng.randint(1, 2)
    return {**fields, "text": long_text(sentences), "deterministic": rng.random() < 0.1}, False


class Callers:
    """So many threads, each of which sends its next job once it has the answer to the last."""

    def __init__(self, api: JobApi, count: int, nfe_step: int, seed: int) -> None:
        self._api, self._nfe_step = api, nfe_step
        self._sent: list[Sent] = []
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(random.Random(f"{seed}/{number}"),)) for number in range(count)
        ]

    def run(self, seconds: float) -> float:
        """Send jobs for so long, and wait for the last answers; returns how long all of it took."""
        started = time.monotonic()
        for thread in self._threads:
            thread.start()
        self._over.wait(seconds)
        self._over.set()
        for thread in self._threads:
            thread.join()
        return time.monotonic() - started

    def _call(self, rng: random.Random) -> None:
        while not self._over.is_set():
            job_input, bad = new_job(rng, self._nfe_step)
            stopped = rng.random() < STOP_SHARE
            started = time.monotonic()
            sent = Sent(self._api.submit(job_input), bad, stopped)
            self._sent.append(sent)
            if stopped:
                time.sleep(rng.uniform(0, STOPPED_WITHIN))
                self._api.stop(sent.job_id)
            elif self._api.try_result(sent.job_id, PATIENCE) is not None:
                sent.seconds = time.monotonic() - started

    def account(self, weather: Weather) -> Account:
        """Each job once: answered once, twice, or not at all; stopped."""
        account = Account()
        for sent in self._sent:
            results = self._api.results(sent.job_id)
            taken = self._api.was_taken(sent.job_id)
            account.jobs["sent"] += 1
            account.jobs["taken"] += taken
            account.jobs["stopped"] += sent.stopped and not results
            account.jobs["answered once"] += len(results) == 1
            if not results and not sent.stopped:
                account.lost.append(sent.job_id)
            if len(results) > 1:
                account.jobs["twice, as it could not know" if sent.job_id in weather.unknowable else "twice"] += 1
            if results:
                self._judge(sent, results[0], account)
        return account

    @staticmethod
    def _judge(sent: Sent, result: dict[str, Any], account: Account) -> None:
        if ("error" in result) != sent.bad:
            account.unexpected.append(str(result.get("error", "a wrong job was spoken")))
        if "error" not in result:
            output = result["output"]
            whole = output[-1] if isinstance(output, list) else output
            account.speech_seconds += whole["duration"]
            account.jobs["upload failed, sent inline"] += any("upload" in warning for warning in whole["warnings"])
        if sent.seconds is not None:
            account.answer_seconds.append(sent.seconds)


def later_thirds(series: Sequence[int]) -> tuple[int, int]:
    """The medians of a series' middle third and of its last; 0 of an empty one. The first third is the warm-up, in which every
    shape and every library comes for the first time."""
    count = -(-len(series) // 3)
    middle, last = sorted(series[count : 2 * count]), sorted(series[-count:] if count else ())
    return (middle[len(middle) // 2], last[len(last) // 2]) if middle else (0, 0)
