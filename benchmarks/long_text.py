"""A text of many chunks: the worker one by one and batched, and stock's loop over a pool of threads."""

from collections.abc import Sequence
from functools import partial

from benchmarks.bench import STOCK, WORKER, bench
from benchmarks.contest import alternate, as_json, spread


def long_text(sentences: int) -> str:
    """A text of so many sentences, each a little different."""
    return " ".join(
        f"This is sentence number {number + 1} of a text that is too long for the model to speak in one go."
        for number in range(sentences)
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    with bench("long_text", __doc__, arguments, runs=3, warm_ups=0, sentences=9) as b:
        task = b.task("long", long_text(b.options.sentences))
        contestants = {WORKER: partial(b.worker, task)}
        if b.has_stock:
            contestants[STOCK] = partial(b.stock, task)
        reports = alternate(contestants, runs=b.options.runs, warm_ups=b.options.warm_ups)

        rows, figures = [], {}
        for name, runs in reports.items():
            facts = runs[0].facts
            for mode in runs[0].laps[0]:
                seconds = spread(lap[mode] for run in runs for lap in run.laps)
                speed, factor = facts["chunks"] / seconds.median, seconds.median / facts["duration"]
                figures[f"{name}, {mode}"] = {"seconds": seconds.median, "chunks/s": speed, "real-time factor": factor}
                rows.append(
                    [
                        name,
                        mode,
                        str(facts["chunks"]),
                        f"{facts['duration']:.1f}",
                        str(seconds),
                        f"{speed:.3f}",
                        f"{factor:.3f}",
                    ]
                )
        facts = reports[WORKER][0].facts
        figures["batched differs from one by one"] = {
            "largest difference": facts["difference"],
            "largest sample": facts["peak"],
        }
        notes = [
            f"nfe_step={b.options.nfe_step}, on {facts['device']}. Seconds of computing per second of speech is the real-time "
            "factor; it grows with nfe_step (32 by default), so only the rows' ratios carry over.",
            f"Batched and one by one differ by at most {facts['difference']:.1e} in samples of up to {facts['peak']:.1e}.",
        ]
        columns = ["", "chunks go", "chunks", "speech (s)", "seconds", "chunks/s", "real-time factor"]
        b.finish(columns, rows, figures, {name: as_json(runs) for name, runs in reports.items()}, notes=notes)


if __name__ == "__main__":
    main()
