"""From a raw job to a checked request: a pure function, with no I/O and no model work.

Accepted shapes, in ``job["input"]`` (everything else at the job's top level is for others to read)::

    {"text": "..."}                                                speech; "endpoint" absent means "tts"
    {"endpoint": "tts", "text": "...", "local_voice": "anna.wav"}  a stored voice, or an http(s) URL
    {"endpoint": "upload", "voice_name": "anna.wav", "voice_file_url": "https://..."}
    {"endpoint": "list_voices"}
    {"endpoint": "delete_voice", "voice_name": "anna.wav"}
    {"endpoint": "download", "job_id": "<a UUID>", "type": "audio"}
    {"endpoint": "health"}                                         "status" is its old name

Rules, in order:

1. ``input`` is an object, and ``endpoint`` one of the above.
2. Every field is known to the endpoint. An unknown one is refused with the likely name.
3. Every value has its type, and is in range. No value is converted, but that a whole number may stand for any number, and that
   choices are not case sensitive. ``null`` is accepted where a field has no default value, and means that it is absent.
4. Fields agree with each other: at most one reference clip, exactly one clip to upload, a format that the result can have.

All that is wrong under 2 and 3 is reported at once: the first problem as the message, all in ``details["problems"]``. Values in
messages are shortened; what may be long or private (texts, base64, the query of a URL) is never quoted.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from f5_worker.errors import InputError
from f5_worker.formats import CONTENT_TYPES, OutputFormat, ResultFormat, ResultKind, TimingFormat
from f5_worker.job.names import MAX_NAME_CHARS, check_voice_name, is_plain
from f5_worker.job.problems import Problem, invalid_field, refusal, unknown_fields, wrong_fields, wrong_value
from f5_worker.settings import Settings
from f5_worker.text.clean import clean_text, is_speakable
from f5_worker.urls import host_of

MAX_REF_TEXT_CHARS = 2_000  # more than anybody says in 15 s
MAX_URL_CHARS = 8_192
_OLD_ENDPOINTS = {"status": "health"}
_OLD_TIMING_METHODS = {"whisperx": "forced_alignment"}
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _settings(info: ValidationInfo) -> Settings:
    return info.context if isinstance(info.context, Settings) else Settings()


def _valid_unicode(value: str) -> str:
    if found := _SURROGATE.search(value):
        raise wrong_value(f"is not valid Unicode: half a character (a lone surrogate) stands at position {found.start() + 1}")
    return value


def _text(value: str, info: ValidationInfo) -> str:
    limit = _settings(info).max_text_chars
    text = clean_text(_valid_unicode(value))
    if not text:
        raise wrong_value("is empty")
    if len(text) > limit:
        raise wrong_value(f"has {len(text):,} characters, more than the {limit:,} allowed")
    if not is_speakable(text):
        raise wrong_value("has nothing that can be spoken")
    return text


def _ref_text(value: str | None) -> str | None:
    """Blank counts as absent, as in F5-TTS: the clip is transcribed."""
    text = clean_text(_valid_unicode(value or ""))
    if not text:
        return None
    if len(text) > MAX_REF_TEXT_CHARS:
        raise wrong_value(f"has {len(text):,} characters, more than a reference clip can hold")
    if not is_speakable(text):
        raise wrong_value("has nothing that can be spoken")
    return text


def _url(value: str | None) -> str | None:
    if value is None:
        return None
    value = _valid_unicode(value).strip()
    if host_of(value) is None:
        raise wrong_value("is not an http(s) URL")
    if len(value) > MAX_URL_CHARS:
        raise wrong_value("is too long")
    return value


def _local_voice(value: str | None) -> str | None:
    if value is None or "://" in value:
        return _url(value)
    return _stored_name(value)


def _stored_name(value: str) -> str:
    """A name to look up: the store also holds names that the earlier system did not check (``names.py``)."""
    name = _valid_unicode(value).strip()
    if not name:
        raise wrong_value("is empty")
    if len(name) > MAX_NAME_CHARS:
        raise wrong_value("is too long")
    if not is_plain(name):
        raise wrong_value("is not a voice name: it has a slash or a control character")
    return name


def _new_name(value: str) -> str:
    try:
        return check_voice_name(_valid_unicode(value))
    except InputError as error:
        raise wrong_fields("voice_name", error.message, "a file name like anna.wav") from error


def _base64(value: str | None) -> str | None:
    """Decoding is left to where the clip is fetched; it runs in a thread."""
    if value is not None and not value.strip():
        raise wrong_value("is empty")
    return value


def _job_id(value: str) -> str:
    if not _UUID.fullmatch(value.lower()):
        raise wrong_value("is not a UUID")
    return value.lower()


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _timing_method(value: object) -> object:
    value = _lower(value)
    if value == "google":
        raise wrong_value("is no longer offered")
    return _OLD_TIMING_METHODS.get(value, value) if isinstance(value, str) else value


def _no_word_timings_yet(value: bool) -> bool:
    if value:
        raise wrong_fields(
            "return_word_timings",
            "return_word_timings=true is not available in this version; leave it out, the answer's chunks have exact times.",
            "false",
        )
    return value


class _Request(BaseModel):
    """What all requests have in common: immutable, no unknown field, no converted value, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class TtsRequest(_Request):
    """Speech. Times are seconds; the defaults are F5-TTS's own."""

    endpoint: Literal["tts"] = "tts"
    text: Annotated[str, AfterValidator(_text)] = Field(
        repr=False, description="1 to {max_text_chars} characters of text, at least one of them a letter or a digit"
    )
    local_voice: Annotated[str | None, AfterValidator(_local_voice)] = Field(
        None, repr=False, description="the name of a stored voice or an http(s) URL, or leave it out for the built-in voice"
    )
    ref_audio_base64: Annotated[str | None, AfterValidator(_base64)] = Field(
        None, repr=False, description="the reference clip's bytes in base64"
    )
    ref_text: Annotated[str | None, AfterValidator(_ref_text)] = Field(
        None, repr=False, description=f"the transcript of the reference clip, at most {MAX_REF_TEXT_CHARS:,} characters"
    )
    speed: float = Field(1.0, ge=0.25, le=4)
    seed: int | None = Field(None, ge=0, le=2_147_483_647)
    nfe_step: int = Field(32, ge=1, le=64)
    cfg_strength: float = Field(2.0, ge=0, le=10)
    # Beyond -1 and 2 / (pi - 2) the sampled times run backwards (F5-TTS, section 3.3, Sway Sampling).
    sway_sampling_coef: float = Field(-1.0, ge=-1, le=1.75)
    target_rms: float = Field(0.1, ge=0.001, le=1)
    cross_fade_duration: float = Field(0.15, ge=0, le=2)
    fix_duration: float | None = Field(None, gt=0, le=30)
    remove_silence: bool = False
    output_format: Annotated[OutputFormat, BeforeValidator(_lower)] = "wav"
    return_word_timings: Annotated[bool, AfterValidator(_no_word_timings_yet)] = False
    timing_format: Annotated[TimingFormat, BeforeValidator(_lower)] = "srt"
    timing_method: Annotated[Literal["forced_alignment"], BeforeValidator(_timing_method)] = "forced_alignment"

    @model_validator(mode="after")
    def _one_reference(self) -> Self:
        if self.local_voice is not None and self.ref_audio_base64 is not None:
            sentence = "local_voice and ref_audio_base64 exclude each other; send one of them."
            raise wrong_fields("ref_audio_base64", sentence, "one of local_voice and ref_audio_base64")
        return self

    @property
    def voice_url(self) -> str | None:
        """``local_voice`` where it is a URL."""
        return self.local_voice if self.local_voice and "://" in self.local_voice else None

    @property
    def voice_name(self) -> str | None:
        """``local_voice`` where it is the name of a stored voice."""
        return None if self.voice_url else self.local_voice


class UploadRequest(_Request):
    """A clip to store as a voice."""

    endpoint: Literal["upload"] = "upload"
    voice_name: Annotated[str, AfterValidator(_new_name)] = Field(description="a file name like anna.wav")
    voice_file_url: Annotated[str | None, AfterValidator(_url)] = Field(
        None, repr=False, description="an http(s) URL of the clip"
    )
    voice_base64: Annotated[str | None, AfterValidator(_base64)] = Field(
        None, repr=False, description="the clip's bytes in base64"
    )
    ref_text: Annotated[str | None, AfterValidator(_ref_text)] = Field(
        None, repr=False, description=f"the transcript of the clip, at most {MAX_REF_TEXT_CHARS:,} characters"
    )
    overwrite: bool = True

    @model_validator(mode="after")
    def _one_clip(self) -> Self:
        if (self.voice_file_url is None) == (self.voice_base64 is None):
            sentence = "The clip to store is needed once; send either voice_file_url or voice_base64."
            raise wrong_fields("voice_file_url", sentence, "one of voice_file_url and voice_base64")
        return self


class ListVoicesRequest(_Request):
    """All stored voices."""

    endpoint: Literal["list_voices"] = "list_voices"


class DeleteVoiceRequest(_Request):
    """A stored voice to remove."""

    endpoint: Literal["delete_voice"] = "delete_voice"
    voice_name: Annotated[str, AfterValidator(_stored_name)] = Field(description="the name of a stored voice, like anna.wav")


class DownloadRequest(_Request):
    """A stored result of an earlier ``tts`` job. Without ``format``: whichever is stored."""

    endpoint: Literal["download"] = "download"
    job_id: Annotated[str, AfterValidator(_job_id)] = Field(description="the job_id of a tts answer, a UUID")
    type: Annotated[ResultKind, BeforeValidator(_lower)] = "audio"
    format: Annotated[ResultFormat | None, BeforeValidator(_lower)] = None
    inline: bool = True

    @model_validator(mode="after")
    def _format_of_type(self) -> Self:
        known = CONTENT_TYPES[self.type]
        if self.format is not None and self.format not in known:
            allowed = f"one of {', '.join(known)}"
            sentence = f'format="{self.format}" is no format of type "{self.type}"; use {allowed}.'
            raise wrong_fields("format", sentence, allowed)
        return self


class HealthRequest(_Request):
    """How the worker is."""

    endpoint: Literal["health"] = "health"


Request: TypeAlias = TtsRequest | UploadRequest | ListVoicesRequest | DeleteVoiceRequest | DownloadRequest | HealthRequest

_MODELS: Mapping[str, type[Request]] = {
    "tts": TtsRequest,
    "upload": UploadRequest,
    "list_voices": ListVoicesRequest,
    "delete_voice": DeleteVoiceRequest,
    "download": DownloadRequest,
    "health": HealthRequest,
}


def parse_job(job: Mapping[str, Any], settings: Settings) -> Request:
    """The checked request of ``job["input"]``.

    Raises:
        InputError: with ``field``, ``value`` (shortened), ``allowed``, ``problems`` (all of them, as sentences) and, for a near
            miss, ``did_you_mean`` in its details.
    """
    raw = job.get("input") if isinstance(job, Mapping) else None
    if not isinstance(raw, Mapping):
        allowed = 'an object, like {"text": "Hello."}'
        if raw is None:
            raise refusal([Problem("input", f"input is missing; send {allowed}.", None, allowed)])
        raise refusal([Problem.of_value("input", "is not an object", raw, allowed)])
    endpoint = _endpoint(raw.get("endpoint", "tts"))
    model = _MODELS[endpoint]
    known = {name: value for name, value in raw.items() if name in model.model_fields}
    problems = unknown_fields(raw, endpoint, _MODELS)
    try:
        request = model.model_validate({**known, "endpoint": endpoint}, context=settings)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        problems += [invalid_field(details, model.model_fields, known, settings) for details in found]
    if problems:
        raise refusal(problems)
    return request


def _endpoint(value: object) -> str:
    name = _lower(value)
    if isinstance(name, str) and (name := _OLD_ENDPOINTS.get(name, name)) in _MODELS:
        return name
    allowed = f"one of {', '.join(_MODELS)}"
    raise refusal([Problem.of_value("endpoint", "is unknown", value, allowed, [*_MODELS, *_OLD_ENDPOINTS])])
