"""A job in the shape of OpenAI's speech API, as RunPod passes on what comes to ``/openai/*``: what it is in our fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from f5_worker.formats import FORMAT_ALIASES, FORMATS
from f5_worker.job.forms import present
from f5_worker.job.hints import format_meant
from f5_worker.job.problems import Problem, input_error

VOICES = frozenset(
    ("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse")
)
"""OpenAI's own voices."""
FIELDS_MEANT = "Of openai_input, input is text here, voice is local_voice, and response_format is output_format."
OPENAI_FIELDS = _ROUTE, _INPUT = "openai_route", "openai_input"
_SPEECH, _VOICES = "/v1/audio/speech", "/v1/audio/voices"
_DEFAULT_FORMAT = "mp3"
_WITHOUT_EFFECT = {
    "model": "the endpoint has one model, for all jobs",
    "instructions": "the voice's reference clip says how it speaks",
    "stream_format": "the answer is JSON, with the whole file",
}
_STREAMS = ("audio", "sse")
"""OpenAI's values of ``stream_format``; others are for the field of ours that has this name."""


@dataclass(frozen=True, slots=True)
class Meant:
    """A job's input in our fields. ``voices`` are names for which the default voice speaks where no voice of that name is
    stored.
    """

    input: object
    warnings: tuple[str, ...] = ()
    voices: frozenset[str] = field(default=frozenset())


def openai_job(job: Mapping[str, Any]) -> Meant | None:
    """What a job in OpenAI's shape means, wherever its two fields stand; ``None``: it is none.

    Raises:
        InputError: a route that is not offered, or no input for it.
    """
    inside = job.get("input")
    for place in (job, inside):
        if isinstance(place, Mapping) and present(place).keys() & {*OPENAI_FIELDS}:
            return _meant(place.get(_ROUTE), place.get(_INPUT))
    return None


def _meant(route: object, sent: object) -> Meant:
    allowed = f"one of {_SPEECH}, {_VOICES}"
    path = route.partition("?")[0].rstrip("/") if isinstance(route, str) else ""
    if path == _VOICES:
        return Meant({"endpoint": "list_voices"})
    if route is None:
        raise input_error([Problem(_ROUTE, f"{_ROUTE} is missing; send {allowed}.", None, allowed)])
    if path != _SPEECH:
        raise input_error([Problem.of_value(_ROUTE, "is not offered", route, allowed, (_SPEECH, _VOICES))])
    allowed = 'an object, like {"input": "Hello.", "voice": "anna.wav"}'
    if not isinstance(sent, Mapping):
        raise input_error([Problem.of_value(_INPUT, "is not an object", sent, allowed)])
    return _speech(present(sent))


def _speech(sent: dict[str, Any]) -> Meant:
    """``sent`` with OpenAI's names replaced by ours; what else is there may be fields of ours."""
    own = {"stream_format"} if str(sent.get("stream_format")).lower() not in _STREAMS else set[str]()
    idle = {name: why for name, why in _WITHOUT_EFFECT.items() if name not in own}
    warnings = [f"{name} has no effect: {why}." for name, why in idle.items() if sent.pop(name, None) is not None]
    fields: dict[str, Any] = {"output_format": _DEFAULT_FORMAT}
    if (form := sent.pop("response_format", None)) is not None:
        known = str(form).lower() in {*FORMATS, *FORMAT_ALIASES}
        meant = None if known or not isinstance(form, str) else format_meant(form)
        if meant is not None:
            warnings.append(f"response_format={form[:20]!r} is not made here: sent as {meant} instead.")
        fields["output_format"] = meant or form
    if (voice := sent.pop("voice", None)) is not None:
        fields["local_voice"] = voice.get("id", voice) if isinstance(voice, Mapping) else voice
    if "input" in sent:
        fields["text"] = sent.pop("input")
    return Meant({"endpoint": "tts", **fields, **sent}, tuple(warnings), VOICES)
