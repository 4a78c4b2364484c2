"""The ``voices`` of a job: what may be said of each, and what their tags make of its text."""

from collections.abc import Collection, Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from f5_worker.job.checked import Checked, checked
from f5_worker.job.fields import MAX_REF_TEXT_CHARS, Base64, NameOrUrl, Seed, Transcript
from f5_worker.job.forms import present
from f5_worker.job.problems import Problem, brief, field_error
from f5_worker.settings import Settings
from f5_worker.text.tags import MAIN, MAX_NAME_CHARS, Script, TagError, is_voice_name, read_script

MAX_VOICES = 20
_FIELD = "voices"
VOICES_ALLOWED = f'an object of {MAX_VOICES} voices at most, like {{{{"Anna": {{{{"local_voice": "anna.wav"}}}}}}}}'
_NAME_ALLOWED = f"up to {MAX_NAME_CHARS} letters, digits, spaces, '_', '-', '.' and \"'\", with a letter in it"


class VoiceInput(Checked):
    """One of ``voices``; what it leaves out of ``speed`` and ``seed``, the job says."""

    local_voice: NameOrUrl = Field(None, repr=False, description="the name of a stored voice or an http(s) URL")
    ref_audio_base64: Base64 = Field(None, repr=False, description="the reference clip's bytes in base64")
    ref_text: Transcript = Field(
        None, repr=False, description=f"the transcript of the reference clip, at most {MAX_REF_TEXT_CHARS:,} characters"
    )
    speed: float | None = Field(None, ge=0.25, le=4)
    seed: Seed = None

    @model_validator(mode="after")
    def _one_reference(self) -> Self:
        if (self.local_voice is None) == (self.ref_audio_base64 is None):
            allowed = "one of local_voice and ref_audio_base64"
            raise field_error("local_voice", f"A voice needs exactly one reference; send {allowed}.", allowed)
        return self


def _wrong_names(names: Collection[object], field: str) -> list[Problem]:
    """What is wrong with the names of ``voices``, and with how many they are."""
    if len(names) > MAX_VOICES:
        return [Problem(field, f"{field} has {len(names)} voices; {MAX_VOICES} are allowed.", None, f"{MAX_VOICES} voices")]
    problems = []
    for name in names:
        if name == MAIN:
            sentence = "is the job's own voice; send its local_voice, ref_text, speed and seed beside text."
            problems.append(Problem(f"{field}.{MAIN}", f"{field}.{MAIN} {sentence}", None, "another name"))
        elif not isinstance(name, str) or not is_voice_name(name):
            shown = brief(name)
            sentence = f"{field} has a voice {shown!r}, a name that no tag can have; use {_NAME_ALLOWED}."
            problems.append(Problem(field, sentence, shown, _NAME_ALLOWED))
    return problems


def checked_voices(raw: Mapping[Any, Any], settings: Settings) -> dict[str, VoiceInput] | list[Problem]:
    """``voices`` with each voice checked, or all that is wrong with them."""
    problems, voices = _wrong_names(raw.keys(), _FIELD), dict[str, VoiceInput]()
    for name, voice in raw.items() if not problems else ():
        part = f"{_FIELD}.{name}"
        if not isinstance(voice, Mapping):
            problems.append(Problem.of_value(part, "is not an object", voice, f"one with {', '.join(VoiceInput.model_fields)}"))
            continue
        one = checked(VoiceInput, present(voice), settings, part, prefix=f"{part}.")
        if isinstance(one, list):
            problems += one
        else:
            voices[name] = one
    return problems or voices


def checked_script(text: str, voices: Collection[str] | None) -> Script:
    """``read_script`` for a validator: what is wrong with a tag is a problem of the field ``text``."""
    try:
        script = read_script(text, voices)
    except TagError as error:
        raise field_error("text", f"text {error.wrong}; use {error.allowed}.", error.allowed) from error
    if not script.turns:
        allowed = "a letter or a digit that is neither in a tag nor markup"
        raise field_error("text", f"text has nothing that can be spoken; send {allowed}.", allowed)
    return script
