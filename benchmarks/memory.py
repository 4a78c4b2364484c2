"""Peak memory with all weights loaded, over what torch itself takes, against the size of the weights.

The worker maps its weights from their file, so that the end of its load says little: they take memory when they are first used.
Each process therefore reads every weight before the peak is taken that the target is about.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from benchmarks.bench import FLOOR, STOCK, WORKER, Target, bench
from benchmarks.contest import alternate, as_json, spread

LIMIT = 1.2
STAGES = {WORKER: ("load", "all weights", "first audio"), STOCK: ("weights", "all weights", "first audio")}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    with bench("memory", __doc__, arguments, runs=3, warm_ups=0) as b:
        task = b.task("memory")
        contestants = {FLOOR: partial(b.torch_alone, task), WORKER: partial(b.worker, task)}
        if b.has_stock:
            contestants[STOCK] = partial(b.stock, task)
        reports = alternate(contestants, runs=b.options.runs, warm_ups=b.options.warm_ups)

        own = spread(run.mark("imports").peak_memory for run in reports[FLOOR]).median
        rows: list[list[str]] = []
        figures: dict[str, Any] = {"torch alone": own, "weights": b.weights_size}
        for name, stages in STAGES.items():
            if name not in reports:
                continue
            load, resident, audio = (spread(run.mark(stage).peak_memory for run in reports[name]) for stage in stages)
            ratio = (resident.median - own) / b.weights_size
            figures[name] = {
                "load": load.median,
                "all weights": resident.median,
                "first audio": audio.median,
                "over torch / weights": ratio,
            }
            gpu = spread(run.facts.get("gpu_peak_memory", 0) for run in reports[name])
            peaks = [peak.text(0, 2**-20) for peak in (load, resident, audio)]
            over_torch = f"{(resident.median - own) / 2**20:.0f}"
            rows.append([name, *peaks, over_torch, f"{ratio:.2f}", gpu.text(0, 2**-20) if gpu.median else "-"])
        columns = [
            "",
            "load ended",
            "all weights read",
            "first audio",
            "all weights, over torch's own",
            "times the weights",
            "on the GPU",
        ]
        notes = [
            f"Peaks so far in MiB, resident, pages mapped from files included. Torch and torchaudio alone: {own / 2**20:.0f}. "
            f"Weights: {b.weights_size / 2**20:.0f}, on {reports[WORKER][0].facts['device']}. The first audio adds activations."
        ]
        measured = figures[WORKER]["over torch / weights"]
        targets = [Target("Peak with all weights, over torch's own", measured, LIMIT, "x the weights")]
        b.finish(columns, rows, figures, {name: as_json(runs) for name, runs in reports.items()}, targets, notes)


if __name__ == "__main__":
    main()
