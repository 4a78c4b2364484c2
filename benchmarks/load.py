"""One worker under load: mixed jobs from many callers, while posts and S3 fail and jobs are stopped; who gets which answer.

A job API of our own (``tests/support``), SeaweedFS behind a proxy that fails 5 % of the time, and the smoke model: the figures
say what is lost or done twice, whether memory grows, and what company does to the throughput.
"""

import random
import statistics
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.bench import Target, bench
from benchmarks.callers import Account, Callers, Weather, later_thirds
from tests.support.flaky import flaky_proxy
from tests.support.job_api import JobApi
from tests.support.processes import WorkerProcess, clean_environment, temporary_files
from tests.support.s3_server import S3Server, running_s3, s3_environment

PHASES = {"1 caller": (1, False), "4 callers": (4, False), "16 callers": (16, False), "4 callers of streams": (4, True)}
"""How many callers, and whether the worker streams."""
S3_FAULTS = 0.05
MOST_GROWTH = 64 * 2**20  # bytes; what 16 jobs hold at a time differs by more than the heap's own test allows


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    with bench("load", __doc__, arguments, runs=1, warm_ups=0, minutes=10.0) as b, tempfile.TemporaryDirectory() as folder:
        seconds, rng = b.options.minutes * 60 / len(PHASES), random.Random(1)
        with (
            running_s3(lambda: Path(tempfile.mkdtemp(dir=folder))) as s3,
            flaky_proxy(s3.port, S3_FAULTS, rng) as endpoint,
        ):
            runs = {
                name: _phase(
                    count, streams, seconds, b.options.nfe_step, b.options.post_faults / 100, s3, endpoint, Path(folder)
                )
                for name, (count, streams) in PHASES.items()
            }
        b.finish(
            [
                "",
                "jobs",
                "taken",
                "jobs/s",
                "speech s/s",
                "median answer (s)",
                "once",
                "twice (unknowable)",
                "lost",
                "stopped",
                "RSS, middle and last third (MB)",
            ],
            [_row(name, run) for name, run in runs.items()],
            {name: {key: value for key, value in run.items() if key != "rss"} for name, run in runs.items()},
            runs,
            _targets(runs),
            [
                f"nfe_step={b.options.nfe_step} of the smoke model, each phase {seconds:.0f} s, MAX_CONCURRENCY as many as "
                f"there are callers. {b.options.post_faults:g} % of posts fail (429, 500, dropped before or after), "
                f"{S3_FAULTS:.0%} of the calls to S3, 5 % of jobs are wrong, 5 % are stopped.",
            ],
        )


def _phase(
    count: int, streams: bool, seconds: float, nfe_step: int, faults: float, s3: S3Server, endpoint: str, folder: Path
) -> dict[str, Any]:
    home = folder / f"{count}-{streams}"
    env = clean_environment(home, F5TTS_MODEL="smoke", F5TTS_DEVICE="cpu", OMP_NUM_THREADS="1", MAX_CONCURRENCY=str(count))
    env |= s3_environment(s3.config(endpoint_url=endpoint)) | {"STREAMING": str(streams).lower(), "S3_TIMEOUT": "5"}
    weather = Weather(faults, random.Random(2))
    with JobApi() as api, WorkerProcess(api, env=env, cwd=home) as worker:
        worker.result(api.submit({"text": "Warm up.", "nfe_step": nfe_step}))
        api.weather = weather
        callers = Callers(api, count, nfe_step, seed=3)
        with _sampled(worker) as rss:
            took = callers.run(seconds)
        worker.sigterm()
        exit_code = worker.wait()
        account = callers.account(weather)  # now, when nothing can come any more
        said = {job_id: [line for line in worker.log.splitlines() if job_id in line] for job_id in account.lost}
    figures = _figures(account, took, rss, weather)
    return figures | {"lost": len(said), "log of lost": said, "exit code": exit_code, "left behind": temporary_files(env)}


@contextmanager
def _sampled(worker: WorkerProcess) -> Iterator[list[int]]:
    """The resident memory of a process in bytes, once a second."""
    series, over = list[int](), threading.Event()

    def sample() -> None:
        while not over.wait(1.0):
            pages = Path(f"/proc/{worker.pid}/statm").read_text(encoding="ascii").split()[1]
            series.append(int(pages) * 4096)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield series
    finally:
        over.set()
        thread.join()


def _figures(account: Account, took: float, rss: list[int], weather: Weather) -> dict[str, Any]:
    answered = len(account.answer_seconds)
    return {
        **account.jobs,
        "seconds": took,
        "jobs per second": answered / took,
        "speech per second": account.speech_seconds / took,
        "median answer": statistics.median(account.answer_seconds) if answered else 0.0,
        "slowest answer": max(account.answer_seconds, default=0.0),
        "posts failed": weather.failed,
        "unexpected": account.unexpected,
        "rss thirds": later_thirds(rss),
        "rss": rss,
    }


def _row(name: str, run: dict[str, Any]) -> list[str]:
    numbers = [run["jobs per second"], run["speech per second"], run["median answer"]]
    twice = f"{run.get('twice', 0)} ({run.get('twice, as it could not know', 0)})"
    rss = [f"{value / 1e6:.0f}" for value in run["rss thirds"]]
    return [
        name,
        str(run["sent"]),
        str(run["taken"]),
        *(f"{number:.2f}" for number in numbers),
        str(run["answered once"]),
        twice,
        str(run["lost"]),
        str(run["stopped"]),
        " to ".join(rss),
    ]


def _targets(runs: dict[str, dict[str, Any]]) -> list[Target]:
    def total(key: str) -> float:
        return float(sum(run.get(key, 0) for run in runs.values()))

    growth = max(last - middle for middle, last in (run["rss thirds"] for run in runs.values()))
    return [
        Target("Answers lost", total("lost"), 0, "jobs"),
        Target("Answered twice where the worker could know", total("twice"), 0, "jobs"),
        Target("Answers that should have been others", float(sum(len(run["unexpected"]) for run in runs.values())), 0, "jobs"),
        Target("Files left behind", float(sum(len(run["left behind"]) for run in runs.values())), 0, "files"),
        Target("Growth of memory", growth / 2**20, MOST_GROWTH / 2**20, "MiB"),
    ]


if __name__ == "__main__":
    main()
