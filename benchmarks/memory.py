"""Peak memory of a load over what torch itself takes, against the size of the weights."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from benchmarks.bench import FLOOR, STOCK, WORKER, Target, bench
from benchmarks.contest import alternate, as_json, spread

LIMIT = 1.2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    with bench("memory", __doc__, arguments, runs=3, warm_ups=0) as b:
        task = b.task("cold")
        contestants = {FLOOR: partial(b.torch_alone, task), WORKER: partial(b.worker, task)}
        if b.has_stock:
            contestants[STOCK] = partial(b.stock, task)
        reports = alternate(contestants, runs=b.options.runs, warm_ups=b.options.warm_ups)

        own = spread(run.mark("imports").peak_memory for run in reports[FLOOR]).median
        rows: list[list[str]] = []
        figures: dict[str, Any] = {"torch alone": own, "weights": b.weights_size}
        for name, loaded in {WORKER: "load", STOCK: "weights"}.items():
            if name not in reports:
                continue
            at_load = spread(run.mark(loaded).peak_memory for run in reports[name])
            at_end = spread(run.marks[-1].peak_memory for run in reports[name])
            ratio = (at_load.median - own) / b.weights_size
            figures[name] = {"load": at_load.median, "first audio": at_end.median, "over torch / weights": ratio}
            gpu = spread(run.facts.get("gpu_peak_memory", 0) for run in reports[name])
            shown = [at_load.text(0, 2**-20), f"{(at_load.median - own) / 2**20:.0f}", f"{ratio:.2f}", at_end.text(0, 2**-20)]
            rows.append([name, *shown, gpu.text(0, 2**-20) if gpu.median else "-"])
        columns = ["", "peak of the load", "over torch's own", "times the weights", "peak with first audio", "peak on the GPU"]
        notes = [
            f"MiB, resident, pages mapped from files included. Torch and torchaudio alone: {own / 2**20:.0f}. "
            f"Weights: {b.weights_size / 2**20:.0f}, on {reports[WORKER][0].facts['device']}."
        ]
        targets = [Target("Peak of the load over torch's own", figures[WORKER]["over torch / weights"], LIMIT, "x the weights")]
        b.finish(columns, rows, figures, {name: as_json(runs) for name, runs in reports.items()}, targets, notes)


if __name__ == "__main__":
    main()
