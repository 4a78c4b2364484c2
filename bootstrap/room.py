"""Room for environments and for the downloads that they are made of: how much is needed, how much there is, where it goes."""

from bootstrap.door import is_local
from bootstrap.options import Options
from bootstrap.places import Location, place_name
from bootstrap.report import Failure, Place

BLOCK = 1 << 16
"""In blocks of so many bytes MooseFS stores, which RunPod's network volumes are: a small file takes one."""


def needed(location: Location, options: Options) -> int:
    """Bytes that a new environment takes in a place: a third more on a network volume, in its blocks."""
    return options.need if is_local(location.root) else options.need * 4 // 3


def too_small(need: int, free: int, kind: Place) -> Failure:
    """There is not enough room."""
    where = place_name(kind)
    return Failure(
        "disk",
        f"An environment needs {gb(need)} on {where}; {gb(free)} are free.",
        f"Free some on {where} or make it larger; the README says what else needs room there.",
    )


def gb(size: int) -> str:
    """A size for people."""
    return f"{size / 1e9:.1f} GB" if size >= 5e7 else f"{size / 1e6:.1f} MB"
