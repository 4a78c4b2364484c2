"""The voice store: clips on a shelf under their names, each with a sidecar ``NAME.json`` for its transcript and length.

The sidecar names the clip it describes by SHA-256, and one that describes other bytes is ignored: whatever is interrupted, runs
at once, or replaces a clip by hand, a clip never meets the transcript of another. A clip without a sidecar is a voice as well,
so what the earlier system stored goes on working.
"""

import difflib
import hashlib
import json
import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from f5_worker import log
from f5_worker.errors import (
    BucketNotFoundError,
    InputError,
    NotFoundError,
    ReferenceClipError,
    StorageError,
    StorageExistsError,
    StorageNotFoundError,
    StorageTooLargeError,
)
from f5_worker.names import check_voice_name, is_key_part, is_stored_name, voice_extension
from f5_worker.voice.reference import VoiceFile
from f5_worker.voice.shelves import Shelf
from s3_utils import ObjectInfo

_MAX_SIDECAR_BYTES = 256 * 1024
_PARALLEL_READS = 16  # of sidecars
_SIDECARS_AT_ONCE = 1_000  # read before a page's size is looked at


@dataclass(frozen=True, slots=True)
class StoredVoice:
    """A voice as the listing shows it: size in bytes, duration in seconds where known."""

    name: str
    size: int
    last_modified: datetime
    duration: float | None
    ref_text: str | None

    def answer(self) -> dict[str, Any]:
        """As the job's answer lists it: what is not known is left out."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        return {**known, "last_modified": self.last_modified.isoformat()}


@dataclass(frozen=True, slots=True)
class _Sidecar:
    """What is known of a clip (duration in seconds), and of which one."""

    ref_text: str | None
    duration: float | None
    audio_sha256: str
    audio_size: int


_SIDECAR = TypeAdapter(_Sidecar)


def list_voices(shelf: Shelf) -> list[StoredVoice]:
    """All voices, sorted by name; see ``list_page``."""
    return list_page(shelf)[0]


def list_page(
    shelf: Shelf, start_after: str | None = None, limit: int | None = None, max_bytes: float = math.inf
) -> tuple[list[StoredVoice], bool]:
    """The first ``limit`` voices whose names come behind ``start_after``, in order, and whether there are more.

    At least one, but no more than fill ``max_bytes`` of an answer. A sidecar that cannot be read is logged and left out.

    Raises:
        StorageError: the store cannot be listed.
    """
    objects = {info.key: info for info in shelf.files()}
    names = sorted(name for name in objects if is_stored_name(name) and (start_after is None or name > start_after))
    listed: list[StoredVoice] = []
    size = 0
    for start in range(0, len(asked := names[:limit]), _SIDECARS_AT_ONCE):
        names_read = asked[start : start + _SIDECARS_AT_ONCE]
        sidecars = _read_sidecars(shelf, [name for name in names_read if f"{name}.json" in objects])
        for name in names_read:
            voice = _stored_voice(objects[name], sidecars.get(name))
            size += len(json.dumps(voice.answer(), ensure_ascii=False).encode("utf-8", "replace")) + len(", ")
            if listed and size > max_bytes:
                return listed, True
            listed.append(voice)
    return listed, len(listed) < len(names)


def _stored_voice(info: ObjectInfo, known: "_Sidecar | None") -> StoredVoice:
    # The clip's bytes are not at hand here; its size tells nearly every replaced clip apart.
    if known is None or known.audio_size != info.size:
        return StoredVoice(info.key, info.size, info.last_modified, None, None)
    return StoredVoice(info.key, info.size, info.last_modified, known.duration, known.ref_text)


def store_voice(shelf: Shelf, name: str, data: bytes, *, duration: float | None, ref_text: str | None, overwrite: bool) -> None:
    """Store a clip that was checked to be usable, and what is known of it.

    Raises:
        InputError: the name is not allowed, or it is taken and ``overwrite`` is false.
        StorageError: the place failed; what is stored then is the old voice, or the new clip without its transcript.
    """
    check_voice_name(name)
    taken = f"voice_name={name!r} is already stored; choose another name or send overwrite: true."
    # Asked first, since some S3 services ignore the condition of the write that settles races.
    if not overwrite and shelf.find(name) is not None:
        raise InputError(taken, field="voice_name")
    try:
        shelf.write(name, data, overwrite=overwrite)
    except StorageExistsError as error:
        raise InputError(taken, field="voice_name") from error
    sidecar = _Sidecar(ref_text, duration, hashlib.sha256(data).hexdigest(), len(data))
    shelf.write(_sidecar(name), json.dumps(asdict(sidecar)).encode())


def delete_voice(shelf: Shelf, name: str) -> None:
    """Remove a voice and its sidecar.

    Raises:
        NotFoundError: no such voice; lists the names that come near.
        StorageError: the place failed.
    """
    if not is_stored_name(name) or shelf.find(name) is None:
        raise _not_found(shelf, name, "voice_name")
    shelf.remove(name)
    shelf.remove(_sidecar(name))


def check_stored(shelf: Shelf, name: str, field: str) -> None:
    """Whether ``fetch_voice`` would find the voice, without reading it.

    Raises:
        NotFoundError, InputError, StorageError: as ``fetch_voice``.
    """
    if shelf.find(name if is_stored_name(name) else _complete(shelf, name, field)) is None:
        raise _not_found(shelf, name, field)


def fetch_voice(shelf: Shelf, name: str, max_bytes: int, field: str = "local_voice") -> VoiceFile:
    """The stored clip of that name, labelled with its full name, and its transcript where known.

    A name without extension stands for the one voice that has it with any extension.

    Raises:
        NotFoundError: no such voice; lists the names that come near.
        InputError: several voices have that name with different extensions.
        ReferenceClipError: the stored clip is larger than ``max_bytes``.
        StorageError: the place failed.
    """
    full_name = name if is_stored_name(name) else _complete(shelf, name, field)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(_sidecar_bytes, shelf, full_name)
        try:
            data = shelf.read(full_name, max_bytes)
        except BucketNotFoundError:
            raise
        except StorageNotFoundError as error:
            raise _not_found(shelf, name, field) from error
        except StorageTooLargeError as error:
            raise ReferenceClipError(
                f"The stored voice {full_name!r} has {error.details['size']:,} bytes, more than the {max_bytes:,} allowed; "
                "store a shorter clip or raise MAX_REFERENCE_BYTES.",
                field=field,
            ) from error
        sidecar = _parse_sidecar(full_name, reading.result())
    if sidecar is None or sidecar.audio_sha256 != hashlib.sha256(data).hexdigest():
        return VoiceFile(full_name, data, None, field)
    return VoiceFile(full_name, data, sidecar.ref_text, field)


def _sidecar(name: str) -> str:
    return f"{name}.json"


def _names(shelf: Shelf, start: str = "") -> list[str]:
    return [info.key for info in shelf.files(start) if is_stored_name(info.key)]


def _complete(shelf: Shelf, stem: str, field: str) -> str:
    found: list[str] = []
    if is_key_part(stem):
        found = [name for name in _names(shelf, f"{stem}.") if PurePosixPath(name).stem == stem]
    if len(found) > 1:
        raise InputError(f"{field}={stem!r} could be {' or '.join(found)}; name one of them.", field=field)
    if not found:
        raise _not_found(shelf, stem, field)
    return found[0]


def _not_found(shelf: Shelf, name: str, field: str) -> NotFoundError:
    try:
        names = _names(shelf)
    except StorageError as error:  # the missing voice is the answer; the names would only have been a help
        log.warn(f"the voices near a missing one cannot be listed: {error.message}")
        return NotFoundError(f"{field}={name[:100]!r} is not a stored voice; upload it first.", field=field)
    if near := _near(name, names):
        return NotFoundError(f"{field}={name[:100]!r} is not a stored voice; did you mean {' or '.join(near)}?", field=field)
    stored = f"{len(names)} others are stored, see list_voices" if names else "none is stored"
    return NotFoundError(f"{field}={name[:100]!r} is not a stored voice ({stored}); upload it first.", field=field)


def _near(name: str, names: list[str]) -> list[str]:
    """The few of ``names`` that may have been meant; neither case nor extension count."""
    asked, stems = _stem(name), {other: _stem(other) for other in names}
    close = difflib.get_close_matches(asked, set(stems.values()), n=3) or [
        stem for stem in stems.values() if asked and asked in stem
    ]
    return [other for other in names if stems[other] in close[:3]][:3]


def _stem(name: str) -> str:
    return (PurePosixPath(name).stem if voice_extension(name) else name).lower()


def _read_sidecars(shelf: Shelf, names: Iterable[str]) -> dict[str, _Sidecar]:
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        reading = {name: pool.submit(_sidecar_bytes, shelf, name) for name in names}
        parsed = {name: _parse_sidecar(name, future.result()) for name, future in reading.items()}
    return {name: sidecar for name, sidecar in parsed.items() if sidecar is not None}


def _sidecar_bytes(shelf: Shelf, name: str) -> bytes | StorageError | None:
    """The sidecar's bytes, ``None`` if there is none, or why they could not be read: a transcript is worth no failed job."""
    try:
        return shelf.read(_sidecar(name), _MAX_SIDECAR_BYTES)
    except StorageNotFoundError:
        return None
    except StorageError as error:
        return error


def _parse_sidecar(name: str, data: bytes | StorageError | None) -> _Sidecar | None:
    if data is None:
        return None
    if isinstance(data, StorageError):
        log.warn(f"the transcript of the voice {name!r} is not used: {data.message}")
        return None
    try:
        return _SIDECAR.validate_json(data)
    except ValidationError:
        log.warn(f"the transcript of the voice {name!r} is not used: its sidecar is damaged; upload the voice again")
        return None
