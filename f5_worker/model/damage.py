"""What is wrong with a file of a model, for whoever has to put another in its place."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from f5_worker.errors import CheckpointMismatchError
from f5_worker.runtime.load_errors import damaged

_HEAD = 512
_TORCH = (b"PK\x03\x04", b"\x80")
_KINDS = {
    b"version https://git-lfs.github.com/": "It is a pointer of Git LFS, in place of the file: git lfs pull fetches that.",
    b"<": "It is an HTML or XML page.",
    b"{": "It is JSON.",
    b"\x1f\x8b": "It is a gzip archive.",
    **dict.fromkeys(_TORCH, "It is a torch or zip file, cut short or with more in it than tensors, and those alone are read."),
}


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Whatever a reader raises for the content of ``path`` becomes an error that names the file and what it is.

    Raises:
        CheckpointMismatchError: for all but errors of the disk, of memory and of a package.
    """
    try:
        yield
    except (CheckpointMismatchError, OSError, MemoryError, ImportError):
        raise
    except Exception as error:
        if "memory" in str(error).lower():
            raise
        raise _damaged(path) from error


def check_text(path: Path) -> None:
    """Raise CheckpointMismatchError unless the file is text in UTF-8: itself, and not a page or a pointer in its place."""
    with readable(path):
        text = path.read_text(encoding="utf-8")
    if text.lstrip().startswith(("<!", "<html", "version https://git-lfs")):
        raise _damaged(path)


def is_torch_file(path: Path) -> bool:
    """Whether the file is torch's own, whatever it is called."""
    with path.open("rb") as file:
        return file.read(4).startswith(_TORCH)


def weights_of(path: Path, found: object) -> dict[str, Any]:
    """``found``, which was read in ``path``, as weights by name.

    Raises:
        CheckpointMismatchError: it is something else; or a weight is a whole number or complex, as after a quantisation.
    """
    name = _name(path)
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise CheckpointMismatchError(f"{name} holds no weights by name; it is not a checkpoint of this model.")
    for key, tensor in found.items():
        if not hasattr(tensor, "is_floating_point"):
            raise CheckpointMismatchError(
                f"{name} holds {key!r}, which is no tensor ({type(tensor).__name__}); it is not a checkpoint of this model."
            )
        if not tensor.is_floating_point():
            raise CheckpointMismatchError(
                f"{name} holds {key!r} as {tensor.dtype}; weights are floating-point numbers (float32, float16, bfloat16), so "
                "use the checkpoint that was not quantised."
            )
    return dict(found)


def check_finite(cfm: Any, vocoder: Any) -> None:
    """Raise CheckpointMismatchError if a weight is no finite number; reads them all, so it is asked once the sound is none."""
    for part, setting, module in (("checkpoint", "F5TTS_CKPT_FILE", cfm), ("vocoder", "F5TTS_VOCODER_PATH", vocoder)):
        for name, tensor in module.state_dict().items():
            if not tensor.isfinite().all():
                raise CheckpointMismatchError(
                    f"The {part}'s weights are not all numbers: {name} holds NaN or infinity. No voice, text or seed helps: "
                    f"upload the file again, or set {setting} to an earlier one of the training."
                )


def _damaged(path: Path) -> CheckpointMismatchError:
    return CheckpointMismatchError(f"{damaged(_name(path))} {_what_it_is(path)}")


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _what_it_is(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return "It is empty."
    known = next((kind for start, kind in _KINDS.items() if head.lstrip().startswith(start)), "")
    return known or f"It has {path.stat().st_size:,} bytes."
