"""``items`` in a job: what each takes from the job, and what is wrong with one or with all."""

from typing import Any

import pytest

from f5_worker.errors import InputError
from f5_worker.job.items import ItemsRequest
from f5_worker.job.request import TtsRequest, parse_job
from f5_worker.settings import Settings


def parse(items: object, **fields: Any) -> ItemsRequest:
    request = parse_job({"input": {"items": items, **fields}}, Settings(max_text_chars=100, max_items=3)).request
    assert isinstance(request, ItemsRequest)
    return request


def good(items: object, **fields: Any) -> list[TtsRequest]:
    requests = [item.request for item in parse(items, **fields).items]
    assert all(isinstance(request, TtsRequest) for request in requests), requests
    return [request for request in requests if isinstance(request, TtsRequest)]


@pytest.mark.parametrize(
    ("shared", "own", "expected"),
    [
        ({"speed": 2, "seed": 4}, {"speed": 3}, {"speed": 3, "seed": 4}),
        ({"speed": 2}, {"speed": None}, {"speed": 2}),
        ({"local_voice": "a.wav", "ref_text": "of a"}, {"local_voice": "b.wav"}, {"local_voice": "b.wav", "ref_text": None}),
        ({"local_voice": "a.wav", "ref_text": "of a"}, {"ref_audio_base64": "AAAA"}, {"local_voice": None, "ref_text": None}),
        ({"local_voice": "a.wav", "ref_text": "of a"}, {"ref_text": "own"}, {"local_voice": "a.wav", "ref_text": "own"}),
        ({"sample_rate": 16_000}, {"output_format": "mp3"}, {"sample_rate": None, "output_format": "mp3"}),
        ({"sample_rate": 16_000}, {"output_format": "FLAC"}, {"sample_rate": 16_000, "output_format": "flac"}),
        ({"output_format": "mp3"}, {"output_format": "wav", "sample_rate": 8_000}, {"sample_rate": 8_000}),
    ],
)
def test_the_jobs_fields_are_each_items_defaults(shared: Any, own: Any, expected: dict[str, Any]) -> None:
    (request,) = good([{"text": "Hi.", **own}], **shared)
    plain = TtsRequest.model_validate({"text": "Hi."}).model_dump()
    given = {name: value for name, value in own.items() if value is not None}
    assert request.model_dump() == {**plain, **shared, **given, **expected}


def test_an_item_has_those_of_the_jobs_voices_that_speak_in_it() -> None:
    anna, bob = {"local_voice": "anna.wav"}, {"local_voice": "bob.wav"}
    requests = good([{"text": "[Anna] Hi."}, {"text": "Hi."}], voices={"Anna": anna, "Bob": bob})
    assert [list(request.voices or {}) for request in requests] == [["Anna"], []]


def test_ids_are_the_callers_or_the_index() -> None:
    items = parse([{"id": "a", "text": "x"}, {"text": "y"}, {"id": "1", "text": "z"}]).items
    assert [item.id for item in items] == ["a", 1, "1"]


@pytest.mark.parametrize(
    ("own", "field", "name"),
    [
        ({"text": "Hi.", "speed": 9}, "speed", 1),
        ({"text": "Hi.", "sped": 1, "id": "b"}, "sped", "b"),
        ({"text": "Hi.", "items": []}, "items", 1),
        ({"text": " "}, "text", 1),
        ({"text": "x" * 101}, "text", 1),
        ({}, "text", 1),
        ({"text": "Hi.", "id": "a"}, "id", "a"),
        ({"text": "Hi.", "id": ""}, "id", 1),
        ({"text": "Hi.", "id": "x" * 101}, "id", 1),
        ({"text": "Hi.", "id": True}, "id", 1),
        ({"text": "Hi.", "id": ["a"]}, "id", 1),
        ({"text": "[Bob] Hi.", "voices": {"Bob": {}}}, "voices.Bob.local_voice", 1),
        ("Hi.", "items[1]", 1),
        (None, "items[1]", 1),
    ],
)
def test_a_bad_item_is_wrong_alone(own: object, field: str, name: object) -> None:
    first, bad, last = parse([{"id": "a", "text": "x"}, own, {"id": "c", "text": "z"}]).items
    assert isinstance(bad.request, InputError)
    assert (bad.id, bad.request.details["field"]) == (name, field)
    assert [item.request.text for item in (first, last) if isinstance(item.request, TtsRequest)] == ["x", "z"]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"items": []}, "items", "is empty; use a list of 1 to 3 items"),
        ({"items": [{"text": "x"}] * 4}, "items", "is too long; use a list of 1 to 3 items"),
        ({"items": "x"}, "items", "is not a list"),
        ({"items": {"text": "x"}}, "items", "is not a list"),
        ({"items": [{"text": "x"}], "text": "y"}, "items", "text and items cannot be sent together"),
        ({"items": [{"text": "x" * 60}, {"text": "y" * 60}]}, "items", "items have 120 characters of text in all"),
        ({"items": [{"text": "x", "speed": 1}], "speed": 9}, "speed", "speed=9 is out of range"),
        ({"texts": ["x"]}, "texts", "did you mean items?"),
        ({"items": [{"text": "x"}], "item": 1}, "item", "is not a field of tts"),
    ],
)
def test_what_is_wrong_with_all_is_the_jobs_error(fields: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_job({"input": fields}, Settings(max_text_chars=100, max_items=3))
    assert caught.value.details["field"] == field
    assert message in caught.value.message
