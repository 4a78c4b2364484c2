"""Removes what nobody uses: ``python -m bootstrap.sweep ROOT KEEP SECONDS CACHE``, started by a builder when it is done.

It removes the downloads in ``CACHE`` (if one is named), then watches the place for ``SECONDS``. What showed no sign of life,
is not ``KEEP`` and not the rollback is moved to the trash, and the trash is emptied. It runs beside the worker, since removing
tens of thousands of files from a network volume takes a minute.
"""

import shutil
import sys
import time
from pathlib import Path

from bootstrap.places import Location
from bootstrap.store import Store


def main(root: Path, keep: str, seconds: float, cache: str) -> None:
    """Remove the downloads; watch, then remove old environments."""
    if cache:
        shutil.rmtree(cache, ignore_errors=True)
    store = Store(Location("volume", root))
    before = store.activity()
    time.sleep(seconds)
    for path in store.unused(keep, before):
        store.discard(path)
    shutil.rmtree(store.trash, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4])
