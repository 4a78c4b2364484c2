"""Names and values of other services: each is refused with ours; nothing that is there already is suggested."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.errors import InputError
from f5_worker.formats import FORMATS
from f5_worker.job.hints import format_meant, looks_like_base64
from f5_worker.job.request import TtsRequest, parse_job
from f5_worker.settings import Settings

URL, CLIP = "https://example.com/a.wav", "UklGRiQAAABXQVZF"


def refusal(fields: dict[str, Any], **job: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_job({"input": fields, **job}, Settings())
    return caught.value


@pytest.mark.parametrize(
    ("endpoint", "name", "value", "meant"),
    [
        ("tts", "gen_text", "x", "text"),
        ("tts", "input", "x", "text"),
        ("tts", "genText", "x", "text"),
        ("tts", "voice", "alloy", "local_voice"),
        ("tts", "voice-id", "21m00Tcm4TlvDq8ikWAM", "local_voice"),
        ("tts", "voice_name", "anna.wav", "local_voice"),
        ("tts", "voice_file_url", URL, "local_voice"),
        ("tts", "voice_base64", CLIP, "ref_audio_base64"),
        ("tts", "speaker_wav", URL, "local_voice"),
        ("tts", "speaker_wav", CLIP, "ref_audio_base64"),
        ("tts", "ref_audio", "data:audio/wav;base64,UklGRg==", "ref_audio_base64"),
        ("tts", "ref_audio", "A" * 200 + "\n" + "B" * 200, "ref_audio_base64"),
        ("tts", "ref_file", URL, "local_voice"),
        ("tts", "reference_audio", URL, "local_voice"),
        ("tts", "audio_base64", URL, "local_voice"),
        ("tts", "prompt_text", "x", "ref_text"),
        ("tts", "response_format", "mp3", "output_format"),
        ("tts", "format", "mp3", "output_format"),
        ("tts", "cfg_scale", 2, "cfg_strength"),
        ("tts", "guidance_scale", 2, "cfg_strength"),
        ("tts", "steps", 16, "nfe_step"),
        ("tts", "num_inference_steps", 16, "nfe_step"),
        ("tts", "nfe", 16, "nfe_step"),
        ("tts", "speaking_rate", 1, "speed"),
        ("tts", "sampleRateHertz", 8000, "sample_rate"),
        ("tts", "timestamps", True, "return_word_timings"),
        ("tts", "LocalVoice", "a", "local_voice"),
        ("upload", "name", "a.wav", "voice_name"),
        ("upload", "url", URL, "voice_file_url"),
        ("upload", "ref_audio_base64", CLIP, "voice_base64"),
        ("upload", "transcript", "x", "ref_text"),
        ("delete_voice", "voice", "a.wav", "voice_name"),
        ("download", "id", "x", "job_id"),
    ],
)
def test_a_name_of_another_service_is_told_as_ours(endpoint: str, name: str, value: object, meant: str) -> None:
    error = refusal({"endpoint": endpoint, name: value})
    assert error.details["field"] == name
    assert error.details["did_you_mean"] == meant
    assert f"is not a field of {endpoint}; did you mean {meant}? Allowed: endpoint, " in error.message


@pytest.mark.parametrize(
    ("name", "value", "way"),
    [
        ("language", "en", "the language is the model's own"),
        ("model", "tts-1", "set F5TTS_MODEL there"),
        ("instructions", "cheerful", "the manner of speaking from the reference clip"),
        ("voice_settings", {"stability": 0.5}, "the manner of speaking from the reference clip"),
        ("stream", True, "a job does not choose streaming"),
        ("length_scale", 1.2, "its inverse"),
        ("temperature", 0.7, "leave it out"),
        ("api_name", "/predict", "leave it out"),
        ("webhook", URL, "beside input, not in it"),
        ("s3Config", {"bucketName": "b"}, "beside input, not in it"),
        ("input", {"text": "x"}, "wrapped twice"),
    ],
)
def test_what_has_no_field_is_told_with_its_way(name: str, value: object, way: str) -> None:
    error = refusal({"text": "Hello.", name: value})
    assert way in error.message
    assert "did_you_mean" not in error.details


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "x", "gen_text": "y"},
        {"text": "x", "prompt": "y"},
        {"text": "x", "texts": "y"},
        {"text": "x", "nfe_step": 4, "steps": 4},
        {"text": "x", "speed": 1, "sped": 1},
        {"text": "x", "local_voice": "a", "voice": "b"},
        {"text": "x", "ref_audio_base64": CLIP, "voice": "b"},
        {"text": "x", "local_voice": "a", "ref_audio": CLIP},
    ],
)
def test_what_is_there_already_is_never_suggested(fields: dict[str, Any]) -> None:
    error = refusal(fields)
    assert "did_you_mean" not in error.details
    assert "it means the same as" in error.message
    assert "leave it out" not in error.message


def test_two_names_for_one_field_are_not_both_told_to_take_it() -> None:
    problems = refusal({"text": "x", "voice": "a", "speaker_wav": URL}).details["problems"]
    assert ["did you mean local_voice?" in problem for problem in problems] == [True, False]


@pytest.mark.parametrize(
    ("endpoint", "field", "value", "meant"),
    [
        ("tts", "ref_audio_base64", URL, "local_voice"),
        ("tts", "local_voice", "data:audio/wav;base64,UklGRg==", "ref_audio_base64"),
        ("tts", "local_voice", CLIP, "ref_audio_base64"),
        ("upload", "voice_base64", URL, "voice_file_url"),
        ("upload", "voice_file_url", CLIP, "voice_base64"),
    ],
)
def test_a_clip_in_the_wrong_field(endpoint: str, field: str, value: str, meant: str) -> None:
    rest = {"text": "x"} if endpoint == "tts" else {"voice_name": "a.wav"}
    error = refusal({"endpoint": endpoint, **rest, field: value})
    assert (error.details["field"], error.details["did_you_mean"]) == (field, meant)
    assert f"send it as {meant}" in error.message


@pytest.mark.parametrize("name", ["anna.wav", "21m00Tcm4TlvDq8ikWAM", "0" * 64, "data", "Ogg voice", "a" * 199, "ID3"])
def test_a_name_is_not_taken_for_base64(name: str) -> None:
    assert not looks_like_base64(name)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("wave", "wav"),
        ("aac", "mp3"),
        ("audio/mpeg", "mp3"),
        ("mp3_44100_128", "mp3"),
        ("pcm_16000", "pcm"),
        ("pcm16", "pcm"),
        ("ulaw_8000", "ulaw"),
        ("g711_ulaw", "ulaw"),
        ("mu-law", "ulaw"),
        ("g711_alaw", "alaw"),
        (".wav", "wav"),
        ("audio/basic", "ulaw"),
    ],
)
def test_a_format_of_another_service_is_told_as_ours(theirs: str, ours: str) -> None:
    assert refusal({"text": "x", "output_format": theirs}).details["did_you_mean"] == ours


@given(st.text())
def test_a_format_that_is_meant_is_one_of_ours(value: str) -> None:
    assert format_meant(value) in {None, *FORMATS}


@pytest.mark.parametrize("endpoint", [None, "tts", "TTS"])
def test_the_consoles_first_request_is_spoken_with_a_warning(endpoint: str | None) -> None:
    parsed = parse_job({"input": {"prompt": "Hello World", "endpoint": endpoint}}, Settings())
    assert isinstance(parsed.request, TtsRequest)
    assert parsed.request.text == "Hello World"
    assert len(parsed.warnings) == 1
    assert "text" in parsed.warnings[0]
    assert parse_job({"input": {"text": "Hello World"}}, Settings()).warnings == ()


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"prompt": 5}, "prompt"), ({"prompt": " "}, "text"), ({"prompt": "x", "endpoint": "health"}, "prompt")],
)
def test_a_prompt_that_is_no_text_is_refused(fields: dict[str, Any], field: str) -> None:
    assert refusal(fields).details["field"] == field


def test_null_is_absent_wherever_it_stands() -> None:
    fields = {"text": "x", "endpoint": None, "speed": None, "foo": None, "prompt": None, "output_format": None}
    own = dict.fromkeys(("accessId", "accessSecret", "bucketName", "endpointUrl"))
    parsed = parse_job({"input": fields, "s3Config": own}, Settings())
    assert parsed.request == parse_job({"input": {"text": "x"}}, Settings()).request
    assert parsed.s3 is None


def test_nothing_secret_is_quoted_in_a_hint() -> None:
    error = refusal({"text": "x"}, s3Config={"access_key_id": "SECRET", "secret_access_key": "SECRET"})
    assert "did you mean accessId?" in error.message
    assert "SECRET" not in json.dumps(error.answer())
