"""A Python in which packages are missing: for workers whose environment is broken."""

import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bootstrap.report import VARIABLE
from tests import REPOSITORY


def handler_with(folder: Path, *names: str, but: Iterable[str] = ()) -> Sequence[str]:
    """The command of a worker whose Python has these distributions and what they require, less ``but``, and nothing else."""
    kept = [found for name, found in _requirements(names).items() if name not in set(but)]
    return _handler(folder, kept)


def handler_without(folder: Path, *names: str) -> Sequence[str]:
    """The command of a worker whose Python lacks these distributions, and has all others of this one."""
    kept = [found for found in distributions() if canonicalize_name(found.metadata["Name"]) not in names]
    return _handler(folder, kept)


def _handler(folder: Path, kept: Iterable[Distribution]) -> Sequence[str]:
    """Python as it is, without its ``site`` module sees no installed package but those in PYTHONPATH: links to what is kept."""
    folder.mkdir()
    for found in kept:
        for name in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            source, link = Path(str(found.locate_file(name))), folder / name
            if source.exists() and not link.is_symlink():
                link.symlink_to(source)
    return ("/usr/bin/env", f"PYTHONPATH={folder}", f"{VARIABLE}=", sys.executable, "-S", str(REPOSITORY / "handler.py"))


def _requirements(names: Iterable[str]) -> dict[str, Distribution]:
    """The installed distributions that ``names`` require, themselves included, by canonical name."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    wanted = [(canonicalize_name(name), frozenset[str]()) for name in names]
    while wanted:
        name, extras = wanted.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # an extra that this environment leaves out
        for requirement in map(Requirement, found[name].requires or ()):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                wanted.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found
