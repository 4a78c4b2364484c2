"""An fp16 copy of the checkpoint on the network volume: half the bytes to read at every later cold start on a GPU."""

import hashlib
import os
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from f5_worker import log
from f5_worker.atomic import replace_atomically

THREAD = "fp16-copy"
_FOLDER = Path("f5-tts-worker", "fp16")  # in the worker's own folder, where the environments lie too (bootstrap/places.py)
_BLOCK = 64 * 1024
_SAMPLES = 64
_ABANDONED_SECONDS = 3600


def copy_folder(volume: Path) -> Path:
    """Where the copies lie on the network volume."""
    return volume / _FOLDER


def find_copy(source: Path, folder: Path) -> Path | None:
    """The finished copy of ``source``, or ``None``: its name holds the size and the digest of the file it was made from."""
    try:
        copy = folder / copy_name(source)
        return copy if copy.is_file() else None
    except OSError as error:
        log.warn(f"The fp16 copy cannot be looked up: {error.strerror}")
        return None


def copy_name(source: Path) -> str:
    """``SIZE-DIGEST.safetensors``; SHA-256 over the size and 64 blocks spread over the file, first and last included.

    Reading all of the source would cost the time that the copy saves. A checkpoint's tensors change everywhere in training, and
    its header, which names every shape, is in the first block.
    """
    size = source.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with source.open("rb", buffering=0) as file:
        for index in range(_SAMPLES):
            file.seek(max(0, size - _BLOCK) * index // (_SAMPLES - 1))
            digest.update(file.read(_BLOCK))
    return f"{size}-{digest.hexdigest()[:32]}.safetensors"


def keep_copy(weights: Mapping[str, Any], source: Path, folder: Path) -> None:
    """Write the copy in a thread, so that the first request does not wait for it. A failure is logged and changes nothing."""
    threading.Thread(target=_keep, args=(weights, source, folder), name=THREAD, daemon=True).start()


def _keep(weights: Mapping[str, Any], source: Path, folder: Path) -> None:
    from safetensors.torch import save_file

    started = time.monotonic()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        if (target := folder / copy_name(source)).is_file():
            return
        with replace_atomically(target) as part:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, part)
    except Exception as error:  # noqa: BLE001 - a convenience: whatever fails here, speech goes on with the source
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
        log.warn(f"The fp16 copy of the checkpoint could not be kept on the volume: {reason}")
    else:
        log.info(f"Kept an fp16 copy of the checkpoint on the volume in {time.monotonic() - started:.1f} s")


def _remove_abandoned(folder: Path) -> None:
    """Remove what writers left that were killed; age is judged by the file system's own clock, through a file made now."""
    probe = folder / f".{uuid.uuid4().hex}.part"
    probe.touch()
    now = probe.stat().st_mtime
    for part in folder.glob(".*.part"):
        if part == probe or now - part.stat().st_mtime > _ABANDONED_SECONDS:
            part.unlink(missing_ok=True)
