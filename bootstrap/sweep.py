"""Removes what nobody needs: ``python -m bootstrap.sweep ROOT KEEP CACHE``, started by a builder when it is done.

It empties the trash and the folder of downloads ``CACHE``, unless that is "", then removes what is out of date beside the
fingerprint ``KEEP`` (``Store.outdated``). It runs beside the worker, since removing tens of thousands of files from a network
volume takes a minute.
"""

import shutil
import sys
from pathlib import Path

from bootstrap.places import Location
from bootstrap.store import Store


def main(root: Path, keep: str, cache: str) -> None:
    """Remove the downloads and old environments."""
    store = Store(Location("volume", root))
    shutil.rmtree(store.trash, ignore_errors=True)  # first: on a full disk nothing else can be done
    if cache:
        shutil.rmtree(cache, ignore_errors=True)
    for path in store.outdated(keep):
        store.discard(path)
    shutil.rmtree(store.trash, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
