"""Process start to the first poll for jobs: the worker beside a handler that does nothing, against a stand-in for the job API.

The SDK's own checks before the first poll are off in both: they reach for the internet, and would only slow the bare one.
"""

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.bench import WORKER, Target, bench
from benchmarks.contest import alternate, spread
from tests import REPOSITORY
from tests.support.job_api import JobApi
from tests.support.processes import HANDLER, WorkerProcess, clean_environment

LIMIT = 1.2
BARE = "bare SDK"
BARE_WORKER = (sys.executable, str(REPOSITORY / "benchmarks" / "probes" / "bare_worker.py"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    with bench("container_ready", __doc__, arguments, runs=11) as b:
        contestants = {BARE: partial(_ready, BARE_WORKER), WORKER: partial(_ready, HANDLER)}
        seconds = alternate(contestants, runs=b.options.runs, warm_ups=b.options.warm_ups)
        spreads = {name: spread(runs) for name, runs in seconds.items()}
        ratio = spreads[WORKER].median / spreads[BARE].median
        figures = {**{name: found.median for name, found in spreads.items()}, "ratio": ratio}
        rows = [[name, str(found), f"{found.median / spreads[BARE].median:.2f}"] for name, found in spreads.items()]
        targets = [Target("Process start to the first poll", ratio, LIMIT, "x the bare SDK")]
        b.finish(["", "seconds", "x bare SDK"], rows, figures, seconds, targets)


def _ready(command: Sequence[str]) -> float:
    with (
        tempfile.TemporaryDirectory(prefix="f5-ready-") as folder,
        JobApi(hold=0.1) as api,
        WorkerProcess(
            api, env=clean_environment(Path(folder)), cwd=Path(folder), command=command, skip_fitness_checks=True
        ) as worker,
    ):
        return worker.ready()


if __name__ == "__main__":
    main()
