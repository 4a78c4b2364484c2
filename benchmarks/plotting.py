"""What drawings of results share: the file they come from, and those that they become."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench import RESULTS


def save(figure: Any, targets: Sequence[Path]) -> None:
    """Write a figure of matplotlib to each of the files; the same figure gives the same bytes."""
    for target in targets:
        figure.savefig(target, dpi=150, metadata={"Date": None} if target.suffix == ".svg" else None)


def draw_results(
    name: str, description: str | None, draw: Callable[[Path, Sequence[Path]], None], arguments: Sequence[str] | None
) -> None:
    """The command line of a drawing: ``name``.json of the folder of results becomes an SVG and a PNG of that name."""
    parser = argparse.ArgumentParser(description=description, prog=f"python -m benchmarks.plot_{name}")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"the folder with {name}.json")
    folder = parser.parse_args(arguments).results
    targets = [folder / f"{name}.svg", folder / f"{name}.png"]
    draw(folder / f"{name}.json", targets)
    print(f"Drawn: {', '.join(target.name for target in targets)}")
