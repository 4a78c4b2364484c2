"""Draw the cold start as stacked bars: ``cold_start.json`` becomes ``cold_start.svg`` and ``cold_start.png``."""

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "cold_start"  # the same figures give the same file

from matplotlib import pyplot as plt  # noqa: E402

from benchmarks.cold_start import PHASES  # noqa: E402
from benchmarks.plotting import draw_results, save  # noqa: E402

_COLOURS = ("#9aa5b1", "#f2b134", "#4e79a7", "#59a14f", "#e15759")


def draw(source: Path, targets: Sequence[Path]) -> None:
    """One bar for each contestant, one colour for each phase."""
    document = json.loads(source.read_text(encoding="utf-8"))
    figures = document["figures"]
    names = list(figures)
    figure, axes = plt.subplots(figsize=(9, 0.9 + 0.6 * len(names)), layout="constrained")
    left = [0.0] * len(names)
    for phase, colour in zip(PHASES, _COLOURS, strict=True):
        seconds = [figures[name][phase] for name in names]
        axes.barh(names, seconds, left=left, label=phase, color=colour, height=0.6)
        left = [start + length for start, length in zip(left, seconds, strict=True)]
    for name, end in zip(names, left, strict=True):
        # The median of the totals, as in the table; the medians of the phases need not add up to it.
        axes.text(end, name, f" {figures[name]['total']:.1f} s", va="center")
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel("seconds from process start")
    machine = document["machine"]
    axes.set_title(
        f"Cold start to the first audio, {machine['cores']} cores of {machine['cpu']}, {machine['gpu'] or 'no GPU'}, "
        f"nfe_step={document['options']['nfe_step']}",
        fontsize="medium",
    )
    axes.legend(ncols=len(PHASES), frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.25 - 0.35 / len(names)))
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, targets)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw from the folder of results."""
    draw_results("cold_start", __doc__, draw, arguments)


if __name__ == "__main__":
    main()
