"""Unpacks a pack in a process of its own: ``python -I -S unpack.py PACK ENVIRONMENT FOLDER``, started by hot.py.

It prints a dot whenever it has got on, then one line: ``ok``, or what was wrong. Killed or hanging, it leaves no folder.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bootstrap.pack import DamagedPack, unpack
from bootstrap.read_ahead import ReadAhead


def main(pack: Path, environment: Path, folder: Path) -> str:
    """Unpack; the last line of the output."""
    try:
        reading, seen = ReadAhead([(pack, 0, None)]).start(), 0
        while not reading.wait(0.5):
            if reading.read > seen:
                seen = reading.read
                _moved()
        if reading.error is not None:
            raise reading.error
        unpack(pack, environment, folder, _moved)
    except DamagedPack as error:
        return f"damaged {error}"
    except OSError as error:
        return f"failed {os.strerror(error.errno or 0)}"
    return "ok"


def _moved() -> None:
    sys.stdout.write(".")
    sys.stdout.flush()


if __name__ == "__main__":
    answer = main(*map(Path, sys.argv[1:]))
    sys.stdout.write(f"\n{answer}\n")
    sys.stdout.flush()
    os._exit(0)  # a thread of the reading may hang
