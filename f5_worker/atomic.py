"""Files that others read: there whole, or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replace_atomically(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """The path of a new file in ``target``'s folder, which is made if need be; the block writes it, then it becomes ``target``.

    It is on the disk by then, so that not even a crash of the machine shows half of it. Where the block fails, nothing is left
    and ``target`` is what it was. A writer that is killed leaves ``.*.part``.

    Raises:
        FileExistsError: not ``overwrite``, and ``target`` is there; of two writers at once one wins.
        OSError: the folder or the file cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        yield part
        descriptor = os.open(part, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if overwrite:
            part.replace(target)
        else:
            os.link(part, target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
