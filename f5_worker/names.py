"""The names of voices: which ones may be stored, and which ones may be looked up.

The earlier system did not check the names that it stored. So reading and deleting take any name that a listing shows, storing
takes only clean ones.
"""

import re
from pathlib import PurePosixPath

from f5_worker.errors import InputError
from f5_worker.formats import VOICE_CONTENT_TYPES

MAX_NAME_CHARS = 200
CLEAN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_ALLOWED = (
    f"use letters, digits, '.', '_' and '-', no leading '.', {MAX_NAME_CHARS} characters at most, and one of the extensions "
    f"{', '.join(VOICE_CONTENT_TYPES)}"
)


def check_voice_name(name: str, field: str = "voice_name") -> str:
    """``name``, if a voice may be stored under it.

    Raises:
        InputError: it has other characters than allowed, no audio extension, or is too long.
    """
    if not CLEAN_NAME.fullmatch(name) or len(name) > MAX_NAME_CHARS or voice_extension(name) is None:
        raise InputError(f"{field}={name[:100]!r} is not a voice name; {_ALLOWED}.", field=field)
    return name


def is_stored_name(name: str) -> bool:
    """Whether a voice may lie in the store under it: as lenient as the earlier system, but no path, and nothing hidden."""
    return is_key_part(name) and voice_extension(name) is not None


def is_key_part(name: str) -> bool:
    """Whether ``name``, with an extension or without, can stand for one object in the voices' folder."""
    return len(name) <= MAX_NAME_CHARS and is_plain(name) and not name.startswith(".")


def wrong_with(name: str) -> str | None:
    """What keeps ``name`` from being looked up, to follow the field's name ("is too long"); ``None`` if nothing does."""
    if not name:
        return "is empty"
    if len(name) > MAX_NAME_CHARS:
        return "is too long"
    return None if is_plain(name) else "is not a voice name: it has a slash or a control character"


def is_plain(name: str) -> bool:
    """Whether ``name`` has neither a slash nor a control character."""
    return name.isprintable() and not {"/", "\\"} & set(name)


def voice_extension(name: str) -> str | None:
    """The lower-case audio extension of ``name``, or ``None``."""
    extension = PurePosixPath(name).suffix[1:].lower()
    return extension if extension in VOICE_CONTENT_TYPES else None
