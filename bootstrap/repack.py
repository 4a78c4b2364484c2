"""Writes a pack in a process of its own: ``python -I -S repack.py ENVIRONMENT PACK``, started by f5_worker/runtime/touched.py.

Standard input is JSON: ``{"files": [path, ...], "mapped": {path: [[first byte, length], ...], ...}}``, with paths inside of the
environment. It runs beside a worker that speaks, so it gives way to everything else. One line comes out: ``ok BYTES``, or
what was wrong.
"""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bootstrap.pack import make_header, write_pack

_UNSEEN = tuple(
    f"lib/python*/site-packages/{pattern}" for pattern in ("*.pth", "*.dist-info/METADATA", "f5_tts/infer/examples/basic/*")
)
"""What is read before a worker begins to record, or by libraries that open files by themselves."""
_ABANDONED_SECONDS = 3600


def main(environment: Path, pack: Path) -> str:
    """Write the pack; the line that says what came of it."""
    os.nice(10)
    touched = json.load(sys.stdin)
    unseen = (path for pattern in _UNSEEN for path in environment.glob(pattern))
    try:
        files = [*touched["files"], *(str(path.relative_to(environment)) for path in unseen)]
        size = write_pack(pack, make_header(environment, files, touched["mapped"]), environment)
        _remove_abandoned(pack)
    except OSError as error:
        return f"failed {os.strerror(error.errno) if error.errno else error}"
    return f"ok {size}"


def _remove_abandoned(pack: Path) -> None:
    """Remove what writers left that were killed; its age is told by the file system's own clock."""
    now = pack.stat().st_mtime
    for part in pack.parent.glob(".hot-*.part"):
        with suppress(FileNotFoundError):
            if now - part.stat().st_mtime > _ABANDONED_SECONDS:
                part.unlink()


if __name__ == "__main__":
    sys.stdout.write(main(*map(Path, sys.argv[1:])))
