"""OpenAI's shape of a job."""

from typing import Any

import pytest

from f5_worker.errors import InputError
from f5_worker.job.request import ListVoicesRequest, TtsRequest, parse_job
from f5_worker.settings import Settings

SPEECH = "/v1/audio/speech"


def shapes(route: object, sent: object) -> list[dict[str, Any]]:
    fields = {"openai_route": route, "openai_input": sent}
    return [{"input": fields}, {"input": {}, **fields}, {"input": None, **fields}]


@pytest.mark.parametrize(
    ("sent", "expected", "warned"),
    [
        ({}, {"output_format": "mp3"}, []),
        ({"voice": "anna.wav", "speed": 1.5}, {"local_voice": "anna.wav", "speed": 1.5, "output_format": "mp3"}, []),
        ({"voice": {"id": "alloy"}}, {"local_voice": "alloy", "output_format": "mp3"}, []),
        ({"response_format": "opus"}, {"output_format": "ogg"}, []),
        ({"response_format": "PCM"}, {"output_format": "pcm"}, []),
        ({"response_format": "aac"}, {"output_format": "mp3"}, ["response_format='aac' is not made here"]),
        ({"response_format": None}, {"output_format": "mp3"}, []),
        (
            {"model": "tts-1", "instructions": "sadly", "seed": 4},
            {"seed": 4, "output_format": "mp3"},
            ["model", "instructions"],
        ),
        ({"stream_format": "sse"}, {"output_format": "mp3"}, ["stream_format has no effect"]),
    ],
)
def test_speech_is_a_tts_job(sent: dict[str, Any], expected: dict[str, Any], warned: list[str]) -> None:
    for job in shapes(SPEECH, {"input": "Hi.", **sent}):
        parsed = parse_job(job, Settings())
        assert parsed.request == TtsRequest.model_validate({"text": "Hi.", **expected})
        assert len(parsed.warnings) == len(warned)
        assert all(warning.startswith(start) for warning, start in zip(parsed.warnings, warned, strict=True))


@pytest.mark.parametrize("sent", [None, {}])
def test_voices_are_listed(sent: object) -> None:
    for job in shapes("/v1/audio/voices", sent):
        assert parse_job(job, Settings()).request == ListVoicesRequest(limit=None, start_after=None)


@pytest.mark.parametrize(
    ("route", "sent", "field", "message"),
    [
        ("/v1/chat/completions", {"messages": []}, "openai_route", "use one of /v1/audio/speech, /v1/audio/voices"),
        (7, {"input": "Hi."}, "openai_route", "is not offered"),
        (None, {"input": "Hi."}, "openai_route", "is missing"),
        (SPEECH, None, "openai_input", "is not an object"),
        (SPEECH, {}, "text", "input is text here"),
        (SPEECH, {"input": "Hi.", "speed": 9}, "speed", "out of range"),
        (SPEECH, {"input": "Hi.", "response_format": "midi"}, "output_format", "response_format is output_format"),
        (SPEECH, {"input": "Hi.", "wobble": 1}, "wobble", "is not a field"),
    ],
)
def test_what_cannot_be_done_is_refused(route: object, sent: object, field: str, message: str) -> None:
    for job in shapes(route, sent):
        with pytest.raises(InputError) as caught:
            parse_job(job, Settings())
        assert caught.value.details["field"] == field
        assert message in caught.value.message
