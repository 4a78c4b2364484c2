"""Writes a pack in a process of its own: ``python -I -S repack.py ENVIRONMENT HOME DEVICE``, started by runtime/touched.py.

``ENVIRONMENT`` is what the worker runs from; ``HOME`` the fingerprint's folder on the volume, where it lies too, or will once
it has been copied there (publish.py). Standard input is JSON, with paths inside of the environment:
``{"files": [path, ...], "mapped": {path: [[first byte, length], ...], ...}}``. It runs beside a worker that speaks, so it
gives way to everything else. One line comes out: ``ok BYTES``, or what was wrong.
"""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bootstrap import publication
from bootstrap.hot import pack_path
from bootstrap.pack import make_header, write_pack
from bootstrap.store import MARKER

_UNSEEN = tuple(
    f"lib/python*/site-packages/{pattern}"
    for pattern in (
        *("*.pth", "*.dist-info/METADATA", "torch/bin/*", "f5_tts/infer/examples/basic/*", "f5_tts/configs/*"),
        "runpod/serverless/**/*.py*",
    )
)
"""What is read before a worker begins to record, by libraries that open files by themselves, or as a list only; and the job
loop, which a local run that is the first to speak does not have."""
_ABANDONED_SECONDS = 3600
_LOOK_EVERY = 2.0


def main(environment: Path, home: Path, device: str) -> str:
    """Write the pack; the line that says what came of it."""
    os.nice(10)
    touched = json.load(sys.stdin)
    try:
        if (packed := _on_volume(environment, home)) is None:
            return "not needed"
        pack = pack_path(packed, device)
        if packed != environment and pack.exists():
            return "not needed"
        unseen = (path for pattern in _UNSEEN for path in packed.glob(pattern))
        files = [*touched["files"], *(str(path.relative_to(packed)) for path in unseen)]
        size = write_pack(pack, make_header(packed, files, touched["mapped"]), packed)
        _remove_abandoned(pack)
    except (OSError, ValueError, KeyError) as error:
        return f"failed {error.strerror if isinstance(error, OSError) and error.strerror else error}"
    return f"ok {size}"


def _on_volume(environment: Path, home: Path) -> Path | None:
    """The environment on the volume, waited for as long as it is copied there; ``None`` where it does not get there."""
    while environment.parent != home and (copied := publication.read(environment.parent)) and copied.status != "done":
        if copied.status == "failed":
            return None
        time.sleep(_LOOK_EVERY)
    build: str = json.loads((home / MARKER).read_bytes())["build"]
    return home / build


def _remove_abandoned(pack: Path) -> None:
    """Remove what writers left that were killed; its age is told by the file system's own clock."""
    now = pack.stat().st_mtime
    for part in pack.parent.glob(".hot-*.part"):
        with suppress(FileNotFoundError):
            if now - part.stat().st_mtime > _ABANDONED_SECONDS:
                part.unlink()


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
