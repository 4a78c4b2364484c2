"""Draw the starts from a network volume as bars: network_volume.json becomes an SVG and a PNG of that name."""

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "network_volume"  # the same figures give the same file

from matplotlib import pyplot as plt  # noqa: E402

from benchmarks.network_volume import FIRST, LATER  # noqa: E402
from benchmarks.plotting import draw_results, save  # noqa: E402

_LOCAL, _VOLUME, _HOT = "#9aa5b1", "#f2b134", "#4e79a7"


def draw(source: Path, targets: Sequence[Path]) -> None:
    """One bar for each start: first workers above, later ones below."""
    document = json.loads(source.read_text(encoding="utf-8"))
    figures = document["figures"]
    groups = [[name for name in group if name in figures] for group in (FIRST, LATER)]
    heights = [len(group) + 1 for group in groups]
    figure, both = plt.subplots(
        2, figsize=(9, 1.2 + 0.55 * sum(heights)), layout="constrained", gridspec_kw={"height_ratios": heights}
    )
    for axes, names, title in zip(both, groups, ("The first worker", "Later workers, nothing in any cache"), strict=True):
        for name in names:
            seconds, trips = figures[name]["seconds"], figures[name].get("trips")
            colour = _LOCAL if name.startswith("local") else _HOT if "hot" in name else _VOLUME
            axes.barh(name, seconds, color=colour, height=0.6)
            told = f" {seconds:.1f} s" + ("" if trips is None else f", {trips:,.0f} round trips")
            axes.text(seconds, name, told, va="center")
        axes.invert_yaxis()
        axes.margins(x=0.4)
        axes.set_title(title, fontsize="medium", loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    machine = document["machine"]
    both[-1].set_xlabel(
        f"seconds from process start to the first speech\n{machine['cores']} cores of {machine['cpu']}, "
        f"{machine['gpu'] or 'no GPU'}, MooseFS with its master 1 ms away"
    )
    save(figure, targets)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw from the folder of results."""
    draw_results("network_volume", __doc__, draw, arguments)


if __name__ == "__main__":
    main()
