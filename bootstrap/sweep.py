"""Removes what nobody uses: ``python -m bootstrap.sweep ROOT KEEP SECONDS CACHE``, started by a builder when it is done.

It empties the trash, and the folder of downloads ``CACHE`` unless that is "", then watches the place for ``SECONDS``. What
showed no sign of life, is not ``KEEP`` and not the rollback is removed too. It runs beside the worker, since removing tens of
thousands of files from a network volume takes a minute.
"""

import shutil
import sys
import time
from pathlib import Path

from bootstrap.places import Location
from bootstrap.store import Store


def main(root: Path, keep: str, seconds: float, cache: str) -> None:
    """Remove the downloads; watch, then remove old environments."""
    store = Store(Location("volume", root))
    shutil.rmtree(store.trash, ignore_errors=True)
    if cache:
        shutil.rmtree(cache, ignore_errors=True)
    before = store.activity()
    time.sleep(seconds)
    for path in store.unused(keep, before):
        store.discard(path)
    shutil.rmtree(store.trash, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4])
