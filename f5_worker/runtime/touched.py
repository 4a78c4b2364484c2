"""What a start has read of an environment on the network volume, written into the pack of later hot starts (bootstrap/hot.py).

The first worker that speaks from an environment without a pack tells: the modules it has imported, the files that Python
has opened, and of the large libraries the pages that are in its memory.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from bootstrap import opened, publication
from bootstrap.hot import device_of
from bootstrap.places import FOLDER, base_python
from f5_worker import log
from f5_worker.settings import Settings

_REPACK = Path(__file__).resolve().parents[2] / "bootstrap" / "repack.py"
_GRAIN = 1024 * 1024
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_IN_MEMORY = 62  # the bits of a page map's entry from here on: it is swapped out, it is present


def keep(settings: Settings) -> None:
    """The first speech is made: let the environment be copied, and a process write the pack. Returns at once; does nothing
    where nothing was recorded."""
    publication.may_begin()
    if (names := opened.end()) is not None:
        home = settings.network_volume.joinpath(FOLDER, "venvs", Path(sys.prefix).parent.name)
        threading.Thread(target=_begin, args=(names, home), name="record").start()  # a local run's end waits for it


def _begin(names: set[str], home: Path) -> None:
    inside = f"{sys.prefix}/"
    try:
        files = {*names, *_imported()}
        touched = {
            "files": sorted(name.removeprefix(inside) for name in files if name.startswith(inside)),
            "mapped": {path.removeprefix(inside): ranges for path, ranges in pages_in_memory(inside)},
        }
        child = subprocess.Popen(
            [base_python(), "-I", "-S", str(_REPACK), sys.prefix, str(home), device_of(os.environ)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert child.stdin is not None
        with child.stdin:
            json.dump(touched, child.stdin)
    except Exception as error:  # noqa: BLE001 - a convenience for later workers: whatever fails here, speech goes on
        _log_outcome(f"failed with {type(error).__name__}")
    else:
        threading.Thread(target=_wait, args=(child,), name="record", daemon=True).start()


def _wait(child: "subprocess.Popen[str]") -> None:
    with child:
        assert child.stdout is not None
        answer = child.stdout.read().strip()
    _log_outcome(answer or f"ended with {child.returncode}")


def _log_outcome(answer: str) -> None:
    if answer.startswith("ok "):
        log.info(f"Later workers start from a pack of the {int(answer[3:]) / 1e6:.0f} MB of small files that this one has read")
    elif answer != "not needed":
        log.warn(f"What a start reads could not be packed on the volume ({answer}); later workers start as this one did")


def _imported() -> Iterator[str]:
    """Files of the modules that are there: source and bytecode; and where else an import looks for each: as a package."""
    folders = [path for path in sys.path if path.endswith("site-packages")]
    for name, module in list(sys.modules.items()):
        for attribute in ("__file__", "__cached__"):
            if isinstance(path := getattr(module, attribute, None), str):
                yield path
        yield from (f"{folder}/{name.replace('.', '/')}/__init__.py" for folder in folders)


def pages_in_memory(inside: str) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Every mapped file under ``inside`` with the ranges (first byte, length) that this process has in memory, in whole MiB."""
    import numpy as np

    mapped: dict[str, list[tuple[int, int, int]]] = {}
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        columns = line.split(maxsplit=5)
        if len(columns) == 6 and columns[5].startswith(inside):
            start, end = (int(edge, 16) for edge in columns[0].split("-"))
            mapped.setdefault(columns[5], []).append((start, end, int(columns[2], 16)))
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        for path, parts in mapped.items():
            grains = {0}  # the linker reads the head of a library before it maps it
            for start, end, offset in parts:
                pagemap.seek(start // _PAGE * 8)
                entries = np.frombuffer(pagemap.read((end - start) // _PAGE * 8), dtype=np.uint64)
                pages = np.flatnonzero(entries >> np.uint64(_IN_MEMORY))
                grains.update(np.unique((pages * _PAGE + offset) // _GRAIN).tolist())
            yield path, list(merged(grains))


def merged(grains: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Runs of consecutive grains as ranges of bytes."""
    start = end = None
    for grain in sorted(grains):
        if start is None or grain != end:
            if start is not None and end is not None:
                yield start * _GRAIN, (end - start) * _GRAIN
            start = grain
        end = grain + 1
    if start is not None and end is not None:
        yield start * _GRAIN, (end - start) * _GRAIN
