"""From a raw job to a checked request: a pure function, with no I/O and no model work.

Accepted shapes, in ``job["input"]``::

    {"text": "..."}                                                speech; "endpoint" absent means "tts"
    {"endpoint": "tts", "text": "...", "local_voice": "anna.wav"}  a stored voice, or an http(s) URL
    {"items": [{"id": "a", "text": "..."}, ...]}                   several texts, each with fields of its own (``items.py``)
    {"endpoint": "upload", "voice_name": "anna.wav", "voice_file_url": "https://..."}
    {"endpoint": "list_voices"}
    {"endpoint": "delete_voice", "voice_name": "anna.wav"}
    {"endpoint": "download", "job_id": "<an id>", "type": "audio"}
    {"endpoint": "health"}                                         "status" is its old name

or OpenAI's ``openai_route`` and ``openai_input``, in it or beside it (``openai.py``).

Beside it, with any endpoint, ``job["s3Config"]`` may bring a bucket of the job's own (``S3ConfigInput``). The rest of the job
is for others to read.

Rules, in order:

1. ``null`` is absent: wherever it stands, ``input`` is read as if the name were not there.
2. ``input`` is an object, and ``endpoint`` one of the above. ``prompt``, which RunPod's console sends, is ``text`` where a job
   for speech has none, with a warning; no other name is taken for ours.
3. Every field is known to the endpoint. An unknown one is refused with what it likely means (``hints.py``).
4. Every value has its type, and is in range. What is exactly a number or a boolean is taken as one, as forms send them:
   ``"1.2"``, ``"true"``, ``32.0`` (``forms.py``). Choices are not case sensitive.
5. Fields agree with each other: at most one reference clip, exactly one clip to upload, a format that the result can have, a
   sample rate that the format can have.

All that is wrong under 3 and 4, and in ``s3Config``, is reported at once: the first problem as the message, all in
``details["problems"]``. Values in messages are shortened; what may be long or private (texts, base64, credentials, the query of
a URL) is never quoted.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import Field, model_validator

from f5_worker.formats import ANY_RATE, CONTENT_TYPES, FORMATS, OutputFormat, ResultFormat, ResultKind
from f5_worker.job.bucket import checked_bucket
from f5_worker.job.checked import Checked, checked
from f5_worker.job.fields import (
    MAX_REF_TEXT_CHARS,
    TIMING_FORMATS,
    AnyCase,
    AnyFormat,
    AnyTimingMethod,
    Base64,
    JobId,
    NameOrUrl,
    NewName,
    Seed,
    SpokenText,
    StoredName,
    TimingFormats,
    Transcript,
    Url,
    WordOrBool,
)
from f5_worker.job.forms import present
from f5_worker.job.items import FIELD as ITEMS_FIELD
from f5_worker.job.items import ItemsRequest, checked_items
from f5_worker.job.openai import FIELDS_MEANT, OPENAI_FIELDS, openai_job
from f5_worker.job.problems import S3_FIELD, Problem, field_error, input_error
from f5_worker.job.voices import VOICES_ALLOWED, VoiceInput, checked_script, checked_voices
from f5_worker.s3_config import S3Config
from f5_worker.settings import Settings
from f5_worker.text.reading import Reading
from f5_worker.text.tags import Script, read_script, without_markup

INPUTS = ("input", *OPENAI_FIELDS)
"""What says in a job what to do."""
_OLD_ENDPOINTS = {"status": "health"}


class TtsRequest(Checked):
    """Speech. Times are seconds; the defaults are F5-TTS's own."""

    endpoint: Literal["tts"] = "tts"
    text: SpokenText = Field(
        repr=False, description="1 to {max_text_chars} characters of text, at least one of them a letter or a digit"
    )
    local_voice: NameOrUrl = Field(
        None,
        repr=False,
        description="the name of a stored voice or an http(s) URL, or leave it out for the built-in voice; a file of your own "
        "goes into ref_audio_base64",
    )
    ref_audio_base64: Base64 = Field(None, repr=False, description="the reference clip's bytes in base64")
    ref_text: Transcript = Field(
        None, repr=False, description=f"the transcript of the reference clip, at most {MAX_REF_TEXT_CHARS:,} characters"
    )
    voices: dict[str, VoiceInput] | None = Field(None, repr=False, description=VOICES_ALLOWED)
    speed: float = Field(1.0, ge=0.25, le=4)
    seed: Seed = None
    nfe_step: int = Field(32, ge=1, le=64)
    cfg_strength: float = Field(2.0, ge=0, le=10)
    # Beyond -1 and 2 / (pi - 2) the sampled times run backwards (F5-TTS, section 3.3, Sway Sampling).
    sway_sampling_coef: float = Field(-1.0, ge=-1, le=1.75)
    target_rms: float = Field(0.1, ge=0.001, le=1)
    cross_fade_duration: float = Field(0.15, ge=0, le=2)
    fix_duration: float | None = Field(None, gt=0, le=30)
    remove_silence: bool = False
    paragraph_pause: float = Field(0.5, ge=0, le=5)
    plain_text: bool = False
    normalize_text: Annotated[Literal["auto", True, False], WordOrBool] = Field("auto", description='"auto", true or false')
    output_format: Annotated[OutputFormat, AnyFormat] = "wav"
    sample_rate: int | None = Field(None, ge=8_000, le=48_000)
    stream_format: Annotated[OutputFormat | None, AnyFormat] = None
    deterministic: bool = False
    return_word_timings: bool = False
    timing_format: TimingFormats = Field("srt", description=f"one of {', '.join(TIMING_FORMATS)}, or a list of them")
    timing_method: Annotated[Literal["forced_alignment"], AnyTimingMethod] = "forced_alignment"
    subtitle_words: int = Field(1, ge=1, le=20)
    verify: bool = False

    @model_validator(mode="after")
    def _one_reference(self) -> Self:
        if self.local_voice is not None and self.ref_audio_base64 is not None:
            sentence = "local_voice and ref_audio_base64 cannot be sent together; send one of them."
            raise field_error("ref_audio_base64", sentence, "one of local_voice and ref_audio_base64")
        return self

    @model_validator(mode="after")
    def _rate_of_format(self) -> Self:
        form = FORMATS[self.output_format]
        if self.sample_rate not in (None, form.sample_rate) and not form.any_rate:
            allowed = f"{form.sample_rate} with {self.output_format}, or one of {', '.join(ANY_RATE)} for any rate"
            sentence = f"{self.output_format} is always {form.sample_rate:,} Hz: sample_rate is for {', '.join(ANY_RATE)} only."
            raise field_error("sample_rate", sentence, allowed)
        return self

    @model_validator(mode="after")
    def _known_tags(self) -> Self:
        checked_script(self.reading.spoken, self.voices)
        return self

    @property
    def result_rate(self) -> int:
        """The sample rate of the result in Hz: as asked for, else its format's."""
        return self.sample_rate or FORMATS[self.output_format].sample_rate

    @property
    def timing_formats(self) -> tuple[str, ...]:
        """The formats that ``timing_format`` asks for, in the order of their table."""
        named = {self.timing_format} if isinstance(self.timing_format, str) else set(self.timing_format)
        return tuple(name for name in CONTENT_TYPES["timing"] if name in named or "all" in named)

    @property
    def reading(self) -> Reading:
        """``text`` with its tags, and without its markup where ``plain_text`` says so."""
        return without_markup(self.text, self.voices) if self.plain_text else Reading(self.text)

    @property
    def script(self) -> Script:
        """Who speaks which part of ``reading.spoken``, and where it pauses."""
        return read_script(self.reading.spoken, self.voices)


class UploadRequest(Checked):
    """A clip to store as a voice."""

    endpoint: Literal["upload"] = "upload"
    voice_name: NewName = Field(description="a file name like anna.wav")
    voice_file_url: Url = Field(None, repr=False, description="an http(s) URL of the clip")
    voice_base64: Base64 = Field(None, repr=False, description="the clip's bytes in base64")
    ref_text: Transcript = Field(
        None, repr=False, description=f"the transcript of the clip, at most {MAX_REF_TEXT_CHARS:,} characters"
    )
    overwrite: bool = True

    @model_validator(mode="after")
    def _one_clip(self) -> Self:
        if (self.voice_file_url is None) == (self.voice_base64 is None):
            sentence = "Exactly one clip to store is needed; send either voice_file_url or voice_base64."
            raise field_error("voice_file_url", sentence, "one of voice_file_url and voice_base64")
        return self


class ListVoicesRequest(Checked):
    """The stored voices, in the order of their names: all, or ``limit`` of those behind the name ``start_after``."""

    endpoint: Literal["list_voices"] = "list_voices"
    limit: int | None = Field(None, ge=1, le=1_000)
    start_after: StoredName | None = Field(None, description="the next_start_after of the page before, a voice's name")


class DeleteVoiceRequest(Checked):
    """A stored voice to remove."""

    endpoint: Literal["delete_voice"] = "delete_voice"
    voice_name: StoredName = Field(description="the name of a stored voice, like anna.wav")


class DownloadRequest(Checked):
    """A stored result of an earlier ``tts`` job. Without ``format``: whichever is stored."""

    endpoint: Literal["download"] = "download"
    job_id: JobId = Field(description="the job_id of a tts answer, or the platform's id of its job")
    type: Annotated[ResultKind, AnyCase] = "audio"
    format: Annotated[ResultFormat | None, AnyFormat] = None
    inline: bool = True

    @model_validator(mode="after")
    def _format_of_type(self) -> Self:
        known = CONTENT_TYPES[self.type]
        if self.format is not None and self.format not in known:
            allowed = f"one of {', '.join(known)}"
            sentence = f'format="{self.format}" is not a format of type "{self.type}"; use {allowed}.'
            raise field_error("format", sentence, allowed)
        return self


class HealthRequest(Checked):
    """How the worker is."""

    endpoint: Literal["health"] = "health"


Request: TypeAlias = TtsRequest | UploadRequest | ListVoicesRequest | DeleteVoiceRequest | DownloadRequest | HealthRequest

_MODELS: Mapping[str, type[Request]] = {model.model_fields["endpoint"].default: model for model in get_args(Request)}


@dataclass(frozen=True, slots=True)
class ParsedJob:
    """A checked job. ``s3`` is its own configuration where it sent one, else the endpoint's; the answer has the warnings.

    For ``other_voices`` the default voice speaks where no voice of that name is stored.
    """

    request: Request | ItemsRequest
    s3: S3Config | None
    warnings: tuple[str, ...] = ()
    other_voices: frozenset[str] = frozenset()


def digest_of(job: Mapping[str, Any]) -> str:
    """The same for jobs that ask for the same."""
    return hashlib.sha256(json.dumps({name: job.get(name) for name in INPUTS}, sort_keys=True).encode()).hexdigest()


def parse_job(job: Mapping[str, Any], settings: Settings) -> ParsedJob:
    """The checked request of ``job["input"]``, and the S3 configuration from ``job["s3Config"]`` and ``settings.s3``.

    Raises:
        InputError: with ``field``, ``value`` (shortened, and hidden where it is private), ``allowed``, ``problems`` (all of
            them, as sentences) and, for a near miss, ``did_you_mean`` in its details.
    """
    sent = job if isinstance(job, Mapping) else {}
    meant = openai_job(sent)
    raw, warnings = (meant.input, meant.warnings) if meant else _with_text(sent.get("input"))
    request, s3 = _request(raw, settings), checked_bucket(sent.get(S3_FIELD), settings)
    if isinstance(request, list) or isinstance(s3, list):
        error = input_error([problem for part in (request, s3) if isinstance(part, list) for problem in part])
        raise error.advise(FIELDS_MEANT) if meant and isinstance(request, list) else error
    return ParsedJob(request, s3, warnings, meant.voices if meant else frozenset())


def _with_text(raw: object) -> tuple[object, tuple[str, ...]]:
    """``raw`` with ``prompt`` as its text where it asks for speech and has none: the console's own first request is that."""
    given = present(raw) if isinstance(raw, Mapping) else {}
    for_speech = str(given.get("endpoint", "tts")).lower() == "tts" and not {"text", "items"} & given.keys()
    if not for_speech or not isinstance(given.get("prompt"), str):
        return raw, ()
    return {"text": given.pop("prompt"), **given}, ("prompt was taken as text; send what is to be spoken as text.",)


def _request(raw: object, settings: Settings) -> Request | ItemsRequest | list[Problem]:
    if not isinstance(raw, Mapping):
        allowed = 'an object, like {"text": "Hello."}'
        if raw is None:
            return [Problem("input", f"input is missing; send {allowed}.", None, allowed)]
        return [Problem.of_value("input", "is not an object", raw, allowed)]
    raw = present(raw)
    sent = raw.get("endpoint", "tts")
    endpoint = sent.lower() if isinstance(sent, str) else ""
    endpoint = _OLD_ENDPOINTS.get(endpoint, endpoint)
    if endpoint not in _MODELS:
        allowed = f"one of {', '.join(_MODELS)}"
        return [Problem.of_value("endpoint", "is unknown", sent, allowed, [*_MODELS, *_OLD_ENDPOINTS])]
    others = {name: model.model_fields for name, model in _MODELS.items()}
    if "endpoint" in raw:
        raw["endpoint"] = endpoint
    if endpoint != "tts":
        return checked(_MODELS[endpoint], raw, settings, endpoint, others)
    speech = partial(_speech, settings=settings, others=others)
    if ITEMS_FIELD in raw:
        return checked_items(raw, partial(speech, also=(ITEMS_FIELD,)), partial(speech, also=()), settings)
    return speech(raw, also=() if "text" in raw else (ITEMS_FIELD,))


def _speech(
    raw: Mapping[Any, Any], settings: Settings, others: Mapping[str, Collection[str]], also: Collection[str]
) -> TtsRequest | list[Problem]:
    raw, problems = dict(raw), list[Problem]()
    if isinstance(sent := raw.get("voices"), Mapping):
        raw["voices"] = checked_voices(sent, settings)
        if isinstance(raw["voices"], list):
            problems = raw.pop("voices")
    request = checked(TtsRequest, raw, settings, "tts", others, also=also)
    return problems + (request if isinstance(request, list) else []) or request
