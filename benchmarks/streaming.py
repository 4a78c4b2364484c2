"""A streamed text of many chunks: when its first audio is there, beside the whole."""

from collections.abc import Sequence
from functools import partial

from benchmarks.bench import WORKER, bench
from benchmarks.contest import alternate, as_json, spread
from benchmarks.long_text import long_text


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    with bench("streaming", __doc__, arguments, runs=3, warm_ups=0, sentences=9) as b:
        turn = partial(b.worker, b.task("stream", long_text(b.options.sentences)), STREAMING="true")
        reports = alternate({WORKER: turn}, runs=b.options.runs, warm_ups=b.options.warm_ups)
        laps = [lap for run in reports[WORKER] for lap in run.laps]
        facts = reports[WORKER][0].facts
        first, whole = (spread(lap[name] for lap in laps) for name in ("first audio", "whole"))
        share = spread(100 * lap["first audio"] / lap["whole"] for lap in laps)
        row = [str(facts["chunks"]), f"{facts['duration']:.1f}", f"{facts['first_seconds']:.1f}", str(first), str(whole)]
        figures = {"first audio": first.median, "whole": whole.median, "share in per cent": share.median}
        notes = [
            f"nfe_step={b.options.nfe_step}, on {facts['device']}, with a warm model and a known voice. The seconds grow with "
            "nfe_step (32 by default); the share does not.",
        ]
        columns = ["chunks", "speech (s)", "first part (s of speech)", "first audio after (s)", "whole after (s)", "share (%)"]
        b.finish(columns, [[*row, share.text(1)]], figures, {WORKER: as_json(reports[WORKER])}, notes=notes)


if __name__ == "__main__":
    main()
