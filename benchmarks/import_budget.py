"""What importing costs: the worker's inference path beside torch and torchaudio alone, and beside stock's ``F5TTS``."""

import sys
from collections.abc import Sequence
from functools import partial

from benchmarks.bench import FLOOR, STOCK, WORKER, Target, bench
from benchmarks.contest import alternate, as_json, spread
from benchmarks.probes.protocol import Report, Task

LIMIT = 1.25


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    with bench("import_budget", __doc__, arguments, runs=9) as b:
        task = Task(what="cold", report="")
        contestants = {
            FLOOR: partial(b.arena.probe, sys.executable, "torch_alone", task),
            WORKER: partial(b.arena.probe, sys.executable, "worker_imports", task),
        }
        if b.has_stock:
            contestants[STOCK] = partial(b.arena.probe, b.options.stock, "stock_imports", task)
        reports = alternate(contestants, runs=b.options.runs, warm_ups=b.options.warm_ups)

        wall = {name: spread(run.phases()["imports"] for run in runs) for name, runs in reports.items()}
        cpu = {name: spread(map(_cpu, runs)) for name, runs in reports.items()}
        rows, figures = [], {}
        for name, runs in reports.items():
            ratio, cpu_ratio = wall[name].median / wall[FLOOR].median, cpu[name].median / cpu[FLOOR].median
            modules = runs[0].facts["modules"]
            figures[name] = {
                "seconds": wall[name].median,
                "times torch": ratio,
                "processor seconds": cpu[name].median,
                "times torch, processor": cpu_ratio,
                "modules": modules,
            }
            rows.append([name, str(wall[name]), f"{ratio:.2f}", str(cpu[name]), f"{cpu_ratio:.2f}", str(modules)])
        columns = ["", "seconds", "x torch", "processor seconds", "x torch", "modules"]
        targets = [
            Target("The inference path's imports", figures[WORKER]["times torch"], LIMIT, "x torch and torchaudio alone")
        ]
        b.finish(columns, rows, figures, {name: as_json(runs) for name, runs in reports.items()}, targets)


def _cpu(run: Report) -> float:
    names = [mark.name for mark in run.marks]
    return run.mark("imports").cpu - run.marks[names.index("imports") - 1].cpu


if __name__ == "__main__":
    main()
