"""``voices`` in a job: what is accepted, and how the rest is refused."""

import json
from typing import Any

import pytest

from f5_worker.errors import InputError
from f5_worker.job.request import TtsRequest, parse_job
from f5_worker.settings import Settings

ANNA = {"local_voice": "anna.wav"}


def parse(text: str, voices: object, **fields: Any) -> TtsRequest:
    request = parse_job({"input": {"text": text, "voices": voices, **fields}}, Settings()).request
    assert isinstance(request, TtsRequest)
    return request


def refused(text: str, voices: object, **fields: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        parse(text, voices, **fields)
    return caught.value


def test_voices_are_checked_like_the_job_itself() -> None:
    request = parse(
        "Hi. [Anna] Yes. [pause:1s] [Old Man] No.",
        {"Anna": ANNA, "Old Man": {"ref_audio_base64": "AAAA", "ref_text": " a  b ", "speed": 2, "seed": 3}},
    )
    assert {name: voice.model_dump(exclude_none=True) for name, voice in (request.voices or {}).items()} == {
        "Anna": {"local_voice": "anna.wav"},
        "Old Man": {"ref_audio_base64": "AAAA", "ref_text": "a b", "speed": 2.0, "seed": 3},
    }
    assert [(turn.voice, turn.pause) for turn in request.script.turns] == [("main", None), ("Anna", None), ("Old Man", 1.0)]
    assert parse("[Anna] Hi.", None).voices is None
    assert parse("Hi.", {}).voices == {}


@pytest.mark.parametrize(
    ("voices", "field", "sentence"),
    [
        ([], "voices", 'voices="<a list of 0>" has the wrong type; use an object of 20 voices at most, like {"Anna": '),
        ({"Anna": "anna.wav"}, "voices.Anna", 'voices.Anna="anna.wav" is not an object; use one with local_voice, '),
        ({"Anna": None}, "voices.Anna", "voices.Anna=null is not an object"),
        ({"Anna": {}}, "voices.Anna.local_voice", "voices.Anna: A voice needs exactly one reference; send one of "),
        ({"Anna": {**ANNA, "ref_audio_base64": "A"}}, "voices.Anna.local_voice", "voices.Anna: A voice needs exactly one"),
        (
            {"Anna": {**ANNA, "sped": 2}},
            "voices.Anna.sped",
            "voices.Anna.sped=2 is not a field of voices.Anna; did you mean",
        ),
        (
            {"Anna": {**ANNA, "speed": 5}},
            "voices.Anna.speed",
            "voices.Anna.speed=5 is out of range; use a number from 0.25",
        ),
        ({"Anna": {**ANNA, "seed": 0.5}}, "voices.Anna.seed", "voices.Anna.seed=0.5 has the wrong type; use a whole number"),
        ({"Anna": {"local_voice": "../a"}}, "voices.Anna.local_voice", 'voices.Anna.local_voice="../a" is not a voice name'),
        ({"Anna": {**ANNA, "ref_text": "?!"}}, "voices.Anna.ref_text", "voices.Anna.ref_text has nothing that can be spoken"),
        ({"main": ANNA}, "voices.main", "voices.main is the job's own voice; send its local_voice"),
        ({"1": ANNA}, "voices", "voices has a voice '1', a name that no tag can have; use up to 40 letters"),
        ({"pause": ANNA}, "voices", "voices has a voice 'pause', a name that no tag"),
        ({"a]" * 5_000: ANNA}, "voices", "voices has a voice 'a]a]"),
        ({f"v{number}": ANNA for number in range(21)}, "voices", "voices has 21 voices; 20 are allowed."),
    ],
)
def test_what_is_wrong_names_the_voice_and_its_field(voices: object, field: str, sentence: str) -> None:
    error = refused("Hello.", voices)
    assert error.details["field"] == field
    assert error.message.startswith(sentence)
    assert len(error.message) < 400


def test_all_that_is_wrong_is_told_at_once_and_nothing_private() -> None:
    secrets = {
        "A": {**ANNA, "ref_text": "SECRET" * 1_000},
        "B": {"ref_audio_base64": ["SECRET"]},
        "C": {**ANNA, "ref_texts": "SECRET"},
    }
    error = refused("Hello.", secrets, speed=9)
    assert [problem.split(" ")[0] for problem in error.details["problems"]] == [
        "voices.A.ref_text",
        'voices.B.ref_audio_base64="<a',
        "voices.C.ref_texts",
        "speed=9",
    ]
    assert "SECRET" not in json.dumps(error.answer())


@pytest.mark.parametrize(
    ("text", "voices", "sentence"),
    [
        ("[Bob] Hi.", {"Anna": ANNA}, "text has [Bob], which is not a voice of this job; use [main], [Anna], [pause:0.5s] or "),
        ("Hi [pause].", None, "text has [pause], which is not a pause; use [pause:0.5s] or [pause:500ms], from 0 to 10 s."),
        ("[pause:1s] [main] ...", None, "text has nothing that can be spoken; send a letter or a digit that is neither"),
        ("[pause:1s]", None, "text has nothing that can be spoken; send a letter or a digit that is neither"),
    ],
)
def test_a_text_that_its_tags_spoil(text: str, voices: object, sentence: str) -> None:
    error = refused(text, voices)
    assert error.details["field"] == "text"
    assert error.message.startswith(sentence)
