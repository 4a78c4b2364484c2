"""The types of a request's fields: what a value becomes, and what is wrong with it. Pure functions."""

import re
from collections.abc import Sequence
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from f5_worker.errors import InputError
from f5_worker.formats import CONTENT_TYPES, FORMAT_ALIASES
from f5_worker.job.hints import CLIPS, looks_like_base64, looks_like_url
from f5_worker.job.problems import field_error, value_error
from f5_worker.names import CLEAN_NAME, MAX_NAME_CHARS, check_voice_name, wrong_with
from f5_worker.s3_config import is_bucket_name
from f5_worker.settings import Settings
from f5_worker.text.clean import clean_text, in_one_line, is_speakable
from f5_worker.urls import host_of, service_url

TIMING_FORMATS = (*CONTENT_TYPES["timing"], "all")
MAX_REF_TEXT_CHARS = 2_000  # more than anybody says in 15 s
MAX_URL_CHARS = 8_192
MAX_SEED = 2_147_483_647
_OLD_TIMING_METHODS = {"whisperx": "forced_alignment"}
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_PLACE_OF = {data: place for place, data in CLIPS}
_DATA_OF = dict(CLIPS)


def _settings(info: ValidationInfo) -> Settings:
    return info.context if isinstance(info.context, Settings) else Settings()


def _valid_unicode(value: str) -> str:
    if found := _SURROGATE.search(value):
        raise value_error(f"is not valid Unicode: half a character (a lone surrogate) is at position {found.start() + 1}")
    return value


def _text(value: str, info: ValidationInfo) -> str:
    limit = _settings(info).max_text_chars
    text = clean_text(_valid_unicode(value))
    if not text:
        raise value_error("is empty")
    if (count := len(in_one_line(text))) > limit:
        raise value_error(f"has {count:,} characters, more than the {limit:,} allowed")
    if not is_speakable(text):
        raise value_error("has nothing that can be spoken")
    return text


def _ref_text(value: str | None) -> str | None:
    """Blank counts as absent, as in F5-TTS: the clip is transcribed."""
    text = in_one_line(clean_text(_valid_unicode(value or "")))
    if not text:
        return None
    if len(text) > MAX_REF_TEXT_CHARS:
        raise value_error(f"has {len(text):,} characters, more than a reference clip can hold")
    if not is_speakable(text):
        raise value_error("has nothing that can be spoken")
    return text


def _url(value: str | None, info: ValidationInfo) -> str | None:
    if value is None:
        return None
    field = str(info.field_name)
    if field in _DATA_OF and looks_like_base64(value):
        data, allowed = _DATA_OF[field], "a URL" if field == "voice_file_url" else "a name or a URL"
        raise field_error(field, f"{field} holds base64 data; send it as {data}, or {allowed} here.", allowed, data)
    value = _valid_unicode(value).strip()
    if host_of(value) is None:
        raise value_error("is not an http(s) URL")
    if len(value) > MAX_URL_CHARS:
        raise value_error("is too long")
    return value


def _local_voice(value: str | None, info: ValidationInfo) -> str | None:
    if value is None or "://" in value or looks_like_base64(value):
        return _url(value, info)
    return _stored_name(value)


def _stored_name(value: str) -> str:
    """A name to look up: the store also holds names that the earlier system did not check (``names.py``)."""
    name = _valid_unicode(value).strip()
    if wrong := wrong_with(name):
        raise value_error(wrong)
    return name


def _new_name(value: str) -> str:
    try:
        return check_voice_name(_valid_unicode(value))
    except InputError as error:
        raise field_error("voice_name", error.message, "a file name like anna.wav") from error


def _base64(value: str | None, info: ValidationInfo) -> str | None:
    """Decoding is left to where the clip is fetched; it runs in a thread."""
    if value is not None and not value.strip():
        raise value_error("is empty")
    if value is not None and looks_like_url(value):
        field, allowed = str(info.field_name), "the clip's bytes in base64"
        place = _PLACE_OF[field]
        raise field_error(field, f"{field} holds a URL; send it as {place}, or {allowed} here.", allowed, place)
    return value


def _job_id(value: str) -> str:
    """The id of an answer, a UUID, or the platform's: a UUID too, with its region behind it and perhaps ``sync-`` before."""
    if not _JOB_ID.fullmatch(value):
        raise value_error("is not the id of a job: it has other characters than letters, digits, '-' and '_', or is too long")
    return value.lower() if _UUID.fullmatch(value.lower()) else value


def _seed(value: int | None) -> int | None:
    return None if value == -1 else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _format(value: object) -> object:
    value = _lower(value)
    return FORMAT_ALIASES.get(value, value) if isinstance(value, str) else value


def _word_or_bool(value: object) -> object:
    if not isinstance(value, str | bool):  # to pydantic 1 is True
        raise value_error("has the wrong type")
    lower = _lower(value)
    return lower == "true" if lower in ("true", "false") else lower


def _timing_method(value: object) -> object:
    value = _lower(value)
    if value == "google":
        raise value_error("is no longer offered")
    return _OLD_TIMING_METHODS.get(value, value) if isinstance(value, str) else value


def _timing_formats(value: object) -> object:
    """One name, or a list of names, each once; ``all`` stands for all of them."""
    named: Sequence[object] = value if isinstance(value, list | tuple) else [value]
    names = tuple(dict.fromkeys(name.lower() for name in named if isinstance(name, str)))
    if not names or not all(isinstance(name, str) for name in named):
        raise value_error("has the wrong type" if named else "is an empty list")
    if wrong := [name for name in names if name not in TIMING_FORMATS]:
        raise value_error(f"names {wrong[0][:20]!r}, which is not a format" if len(names) > 1 else "is not a format")
    return names if named is value else names[0]


def _bucket_name(value: str) -> str:
    if not is_bucket_name(value):
        raise value_error("is not the name of a bucket")
    return value


def _service_url(value: str | None) -> str | None:
    if value is None:
        return None
    if (url := service_url(_valid_unicode(value))) is None:
        raise value_error("is not the URL of a service")
    return url


_ONE_TIMING_FORMAT = {"type": "string", "enum": [*TIMING_FORMATS]}
_WEB = {"type": "string", "pattern": "^https?://[^/\\s]+"}
_DATA = {"type": "string", "pattern": r"^\s*(data:[^,]+;base64,)?[A-Za-z0-9+/_-][A-Za-z0-9+/_=\s-]*$"}

SpokenText: TypeAlias = Annotated[str, AfterValidator(_text), WithJsonSchema({"type": "string", "pattern": "\\S"})]
Transcript: TypeAlias = Annotated[
    str | None, AfterValidator(_ref_text), WithJsonSchema({"type": "string", "maxLength": MAX_REF_TEXT_CHARS})
]
Url: TypeAlias = Annotated[str | None, AfterValidator(_url), WithJsonSchema({**_WEB, "maxLength": MAX_URL_CHARS})]
NameOrUrl: TypeAlias = Annotated[str | None, AfterValidator(_local_voice)]
StoredName: TypeAlias = Annotated[str, AfterValidator(_stored_name)]
NewName: TypeAlias = Annotated[
    str,
    AfterValidator(_new_name),
    WithJsonSchema({"type": "string", "pattern": f"^{CLEAN_NAME.pattern}$", "maxLength": MAX_NAME_CHARS}),
]
Base64: TypeAlias = Annotated[str | None, AfterValidator(_base64), WithJsonSchema(_DATA)]
JobId: TypeAlias = Annotated[
    str, AfterValidator(_job_id), WithJsonSchema({"type": "string", "pattern": f"^{_JOB_ID.pattern}$"})
]
Seed: TypeAlias = Annotated[
    int | None,
    Field(ge=-1, le=MAX_SEED, description=f"a whole number from 0 to {MAX_SEED}, or -1 for a random one"),
    AfterValidator(_seed),
]
"""``None`` is random."""
Credential: TypeAlias = Annotated[str, AfterValidator(_valid_unicode)]
BucketName: TypeAlias = Annotated[str, AfterValidator(_bucket_name)]
ServiceUrl: TypeAlias = Annotated[str | None, AfterValidator(_service_url), WithJsonSchema(_WEB)]

AnyCase = BeforeValidator(_lower)
"""For choices, which are not case sensitive."""
AnyFormat = BeforeValidator(_format)
"""The same, with other names of the same formats."""
WordOrBool = BeforeValidator(_word_or_bool)
"""For choices between words and true or false."""
AnyTimingMethod = BeforeValidator(_timing_method)
"""Also the names of earlier versions."""
TimingFormats: TypeAlias = Annotated[
    str | tuple[str, ...],
    BeforeValidator(_timing_formats),
    WithJsonSchema({"anyOf": [_ONE_TIMING_FORMAT, {"type": "array", "items": _ONE_TIMING_FORMAT, "minItems": 1}]}),
]
