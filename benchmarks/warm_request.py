"""What a request costs outside DiT and vocoder, once the model is loaded and the reference is cached."""

from collections.abc import Sequence
from functools import partial

from benchmarks.bench import STOCK, WORKER, Target, bench
from benchmarks.contest import alternate, as_json, spread

LIMIT_MS = 30.0
INSIDE = ("DiT", "text embedding", "vocoder")
DELIVERY = ("encode", "upload")
PHASES = ("checks and answer", "reference", "model_load", "mel and ODE", "everything else", *INSIDE, *DELIVERY)


def overhead(laps: dict[str, float]) -> float:
    """Seconds outside the model, its vocoder, and the delivery."""
    return laps["total"] - sum(laps.get(phase, 0.0) for phase in (*INSIDE, *DELIVERY))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    with bench("warm_request", __doc__, arguments, runs=3, warm_ups=0, repeats=10, nfe_step=2) as b:
        task = b.task("warm")
        contestants = {WORKER: partial(b.worker, task)}
        if b.has_stock:
            contestants[STOCK] = partial(b.stock, task)
        reports = alternate(contestants, runs=b.options.runs, warm_ups=b.options.warm_ups)

        rows, figures = [], {}
        for name, runs in reports.items():
            laps = [lap for run in runs for lap in run.laps]
            present = [phase for phase in PHASES if phase in laps[0]]
            by_phase = {phase: spread(lap[phase] * 1000 for lap in laps) for phase in present}
            outside, total = spread(overhead(lap) * 1000 for lap in laps), spread(lap["total"] * 1000 for lap in laps)
            with_text = spread((overhead(lap) + lap["text embedding"]) * 1000 for lap in laps)
            figures[name] = {
                **{phase: value.median for phase, value in by_phase.items()},
                "overhead": outside.median,
                "overhead with text embedding": with_text.median,
                "total": total.median,
            }
            rows += [[name, phase, value.text(1)] for phase, value in by_phase.items()]
            rows.append([name, "total", total.text(1)])
            rows.append([name, "**outside DiT, vocoder, encode, upload**", outside.text(1)])
        facts = reports[WORKER][0].facts
        with_text_ms = figures[WORKER]["overhead with text embedding"]
        notes = [
            f"Milliseconds, {len(laps)} requests of each. {facts['duration']:.1f} s of speech in {facts['chunks']} chunk, "
            f"nfe_step={b.options.nfe_step}, on {facts['device']}.",
            "The text embedding is a part of the DiT, run once a chunk by both; counted as overhead, the worker's would be "
            f"{with_text_ms:.1f} ms.",
        ]
        targets = [Target("Overhead of a warm request", figures[WORKER]["overhead"], LIMIT_MS, "ms")]
        all_runs = {name: as_json(runs) for name, runs in reports.items()}
        b.finish(["", "phase", "ms"], rows, figures, all_runs, targets, notes)


if __name__ == "__main__":
    main()
