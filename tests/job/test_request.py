"""Job inputs: what is accepted and becomes what, and how everything else is refused."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from f5_worker.errors import InputError
from f5_worker.job.items import ItemsRequest
from f5_worker.job.request import (
    DownloadRequest,
    Request,
    TtsRequest,
    parse_job,
)
from f5_worker.settings import Settings
from tests import REPOSITORY

JOB_ID = "0b5f2f0e-3a4c-4d5e-8f60-718293a4b5c6"
MODELS: Mapping[str, type[Request]] = {model.model_fields["endpoint"].default: model for model in get_args(Request)}
# The least that each endpoint takes.
LEAST: Mapping[str, Mapping[str, Any]] = {
    "tts": {"text": "Hello."},
    "upload": {"voice_name": "anna.wav", "voice_file_url": "https://example.com/anna.wav"},
    "list_voices": {},
    "delete_voice": {"voice_name": "anna.wav"},
    "download": {"job_id": JOB_ID},
    "health": {},
}
TTS_DEFAULTS: Mapping[str, Any] = {
    "endpoint": "tts",
    "local_voice": None,
    "ref_audio_base64": None,
    "ref_text": None,
    "voices": None,
    "speed": 1.0,
    "seed": None,
    "nfe_step": 32,
    "cfg_strength": 2.0,
    "sway_sampling_coef": -1.0,
    "target_rms": 0.1,
    "cross_fade_duration": 0.15,
    "fix_duration": None,
    "remove_silence": False,
    "paragraph_pause": 0.5,
    "plain_text": False,
    "normalize_text": "auto",
    "output_format": "wav",
    "sample_rate": None,
    "stream_format": None,
    "deterministic": False,
    "return_word_timings": False,
    "timing_format": "srt",
    "timing_method": "forced_alignment",
    "subtitle_words": 1,
    "verify": False,
}


def parse(fields: object, settings: Settings | None = None) -> Request:
    request = parse_job({"id": "job-1", "input": fields}, settings or Settings()).request
    assert not isinstance(request, ItemsRequest)
    return request


def refused(fields: object, settings: Settings | None = None) -> InputError:
    """The refusal of ``fields``, after the checks that every refusal must pass."""
    return refused_job({"input": fields}, settings)


def refused_job(job: Any, settings: Settings | None = None) -> InputError:
    """The same of a whole job."""
    with pytest.raises(InputError) as caught:
        parse_job(job, settings or Settings())
    error = caught.value
    details = error.details
    assert {"field", "value", "allowed", "problems"} <= set(details)
    assert error.message.startswith(details["problems"][0])
    assert all(problem.endswith(".") for problem in details["problems"])
    assert len(details["problems"]) <= 21
    assert len(error.message) < 1_000
    answer = json.dumps(error.answer(), allow_nan=False)  # what the SDK posts
    answer.encode()
    error.message.encode()
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


# --- What is accepted --------------------------------------------------------------------------------------------------------


def test_defaults_are_those_of_the_api() -> None:
    assert parse({"text": "Hello."}).model_dump() == {**TTS_DEFAULTS, "text": "Hello."}


@pytest.mark.parametrize("endpoint", LEAST)
def test_each_endpoint_takes_its_least_input(endpoint: str) -> None:
    request = parse({"endpoint": endpoint, **LEAST[endpoint]})
    assert type(request) is MODELS[endpoint]
    assert request.endpoint == endpoint


def test_each_model_has_an_endpoint_of_its_own() -> None:
    assert list(MODELS) == list(LEAST)
    assert all(get_args(model.model_fields["endpoint"].annotation) == (name,) for name, model in MODELS.items())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"text": "x", "local_voice": "A.wav", "speed": 1, "seed": 4}, {"local_voice": "A.wav", "speed": 1.0, "seed": 4}),
        ({"text": "x", "local_voice": "https://example.com/v.wav?sig=a"}, {"local_voice": "https://example.com/v.wav?sig=a"}),
        ({"text": "x", "timing_method": "whisperx"}, {"timing_method": "forced_alignment"}),
        ({"text": "x", "return_word_timings": False, "timing_format": "vtt"}, {"timing_format": "vtt"}),
        ({"text": "x", "timing_format": ["VTT", "srt", "vtt"]}, {"timing_format": ("vtt", "srt")}),
        ({"text": "x", "timing_format": "ALL"}, {"timing_format": "all"}),
        ({"endpoint": "upload", "voice_name": "a.wav", "voice_file_url": "http://h/a"}, {"overwrite": True, "ref_text": None}),
        ({"endpoint": "list_voices"}, {}),
        ({"endpoint": "download", "job_id": JOB_ID}, {"type": "audio", "format": None, "inline": True}),
        ({"endpoint": "download", "job_id": JOB_ID, "type": "timing", "format": "srt"}, {"type": "timing", "format": "srt"}),
        ({"endpoint": "status"}, {"endpoint": "health"}),
    ],
)  # fmt: skip
def test_inputs_of_old_clients_are_accepted(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert expected.items() <= parse(fields).model_dump().items()


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("text", "  a\n\tb\u0301 ", "a\nb\u0301"),
        ("text", "cafe\u0301 \u200b\x00", "café"),
        ("text", "你好", "你好"),
        ("speed", 0.25, 0.25),
        ("speed", 4, 4.0),
        ("seed", 0, 0),
        ("seed", 2_147_483_647, 2_147_483_647),
        ("nfe_step", 1, 1),
        ("nfe_step", 64, 64),
        ("cfg_strength", 0, 0.0),
        ("sway_sampling_coef", -1, -1.0),
        ("cross_fade_duration", 0, 0.0),
        ("paragraph_pause", 0, 0.0),
        ("paragraph_pause", 5, 5.0),
        ("normalize_text", "AUTO", "auto"),
        ("normalize_text", False, False),
        ("normalize_text", True, True),
        ("fix_duration", 30, 30.0),
        ("output_format", "MP3", "mp3"),
        ("timing_format", "ALL", "all"),
        ("timing_method", "WhisperX", "forced_alignment"),
        ("ref_text", " some  words ", "some words"),
        ("ref_text", " ", None),
        ("local_voice", " anna ", "anna"),
        ("local_voice", "Żaneta (1).wav", "Żaneta (1).wav"),
        ("ref_audio_base64", "data:audio/wav;base64,AAAA", "data:audio/wav;base64,AAAA"),
        ("seed", -1, None),
        ("speed", "1.2", 1.2),
        ("speed", "1e0", 1.0),
        ("seed", "-1", None),
        ("seed", "2147483647", 2_147_483_647),
        ("nfe_step", "32", 32),
        ("nfe_step", 32.0, 32),
        ("nfe_step", "32.0", 32),
        ("sway_sampling_coef", "-0.5", -0.5),
        ("remove_silence", "true", True),
        ("remove_silence", "False", False),
        ("output_format", "Opus", "ogg"),
        ("sample_rate", "16000", 16_000),
        *[(name, None, default) for name, default in TTS_DEFAULTS.items()],
    ],
)
def test_tts_values_become(field: str, value: object, expected: object) -> None:
    request = parse({"text": "Hello.", field: value})
    got = getattr(request, field)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize("endpoint", ["TTS", "Health", "STATUS"])
def test_choices_are_not_case_sensitive(endpoint: str) -> None:
    assert parse({"endpoint": endpoint, **LEAST.get(endpoint.lower(), {})}).endpoint in ("tts", "health")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (JOB_ID.upper(), JOB_ID),
        *[(own, own) for own in (JOB_ID, f"{JOB_ID}-u1", f"sync-{JOB_ID}-e2", f"test-{JOB_ID}", "local_test", "a" * 128)],
    ],
)
def test_a_job_id_is_a_uuid_in_lower_case_or_the_platforms_own(sent: str, expected: str) -> None:
    request = parse({"endpoint": "download", "job_id": sent})
    assert isinstance(request, DownloadRequest)
    assert request.job_id == expected


@pytest.mark.parametrize("local_voice", [None, "a.wav", "HTTPS://h/a.wav", "http://h/a"])
def test_a_voice_is_a_name_or_a_url(local_voice: str | None) -> None:
    request = parse({"text": "x", "local_voice": local_voice})
    assert isinstance(request, TtsRequest)
    assert request.local_voice == local_voice


def test_a_request_cannot_change_and_shows_nothing_private() -> None:
    request = parse({"text": "secret words", "local_voice": "https://h/a.wav?sig=secret", "ref_text": "secret"})
    with pytest.raises(ValidationError, match="frozen"):
        request.text = "other"  # type: ignore[union-attr]
    assert "secret" not in repr(request)
    assert "secret" not in repr(parse({"endpoint": "upload", "voice_name": "a.wav", "voice_base64": "secret"}))


def test_the_text_limit_is_the_setting_and_counts_what_is_spoken() -> None:
    settings = replace(Settings(), max_text_chars=5)
    request = parse({"text": "  ab \n\n cd\u200b  "}, settings)
    assert isinstance(request, TtsRequest)
    assert request.text == "ab\n\ncd"
    error = refused({"text": "abcdef"}, settings)
    assert "has 6 characters, more than the 5 allowed" in error.message
    assert error.details["allowed"].startswith("1 to 5 characters")


# --- What is refused ---------------------------------------------------------------------------------------------------------

NOT_TEXT: tuple[object, ...] = (5, 1.5, True, [], ["a"], {}, {"a": 1}, b"a")
NOT_NUMBERS: tuple[object, ...] = (
    "fast",
    "",
    " ",
    " 1",
    "1 ",
    "+1",
    "01",
    "1.",
    ".5",
    "1_0",
    "0x1",
    "1e400",
    "1e-400",
    "nan",
    "Infinity",
    "1,5",
    "\u0661",
    "true",
    True,
    False,
    [1],
    {"a": 1},
    math.nan,
    math.inf,
    -math.inf,
    10**400,
)
NOT_BOOLEANS: tuple[object, ...] = (0, 1, 1.0, "0", "1", "on", "yes", " true", "", [], {})


def bad_values(model: type[BaseModel], name: str) -> list[object]:
    """Values of a wrong type or out of range, from what the model itself says of the field."""
    field = model.model_fields[name]
    types = get_args(field.annotation) or (field.annotation,)
    if bool in types or True in types:
        bad = list(NOT_BOOLEANS)
    elif int in types or float in types:
        bad = list(NOT_NUMBERS)
        for limit in field.metadata:
            if hasattr(limit, "ge"):
                bad += [limit.ge - 1, limit.ge - 10**9] if int in types else [limit.ge - 0.001, limit.ge - 1, -1e300]
            if hasattr(limit, "gt"):
                bad += [limit.gt, limit.gt - 1]
            if hasattr(limit, "le"):
                bad += [limit.le + 1, 10**30] if int in types else [limit.le + 0.001, limit.le + 1, 1e300]
        if int in types:
            bad += [1.5, "1.5", "3.00000000000000000001"]
    else:
        bad = [*NOT_TEXT, "\ud800", "a\udfffb"]
    return [value for value in bad if not (name == "voices" and value == {})]


FIELDS = [(endpoint, name) for endpoint, model in MODELS.items() for name in model.model_fields if name != "endpoint"]


@pytest.mark.parametrize(("endpoint", "name"), FIELDS)
def test_every_field_refuses_wrong_types_and_values_out_of_range(endpoint: str, name: str) -> None:
    # base64 is decoded, and so checked, where the clip is fetched
    bad = [value for value in bad_values(MODELS[endpoint], name) if not (name.endswith("base64") and isinstance(value, str))]
    assert len(bad) > 6
    for value in bad:
        error = refused({"endpoint": endpoint, **LEAST[endpoint], name: value})
        assert error.details["field"].partition(".")[0] == name, value
        assert name in error.message, value
        assert error.details["allowed"], value


LONG = "x" * 9_000


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({}, "text", "text is missing; send 1 to 20,000 characters"),
        ({"text": ""}, "text", "text is empty"),
        ({"text": " \n\t\u3000\u200b"}, "text", "text is empty"),
        ({"text": "?!... —"}, "text", "nothing that can be spoken"),
        ({"text": "😀👍🏽"}, "text", "nothing that can be spoken"),
        ({"text": "a" * 20_001}, "text", "has 20,001 characters, more than the 20,000 allowed"),
        ({"text": "ab\ud83dcd"}, "text", r"a lone surrogate\) is at position 3"),
        ({"text": "x", "speed": 9}, "speed", r"^speed=9 is out of range; use a number from 0\.25 to 4\.$"),
        ({"text": "x", "speed": "1x"}, "speed", r'^speed="1x" has the wrong type; use a number from 0\.25 to 4\.$'),
        ({"text": "x", "speed": "9"}, "speed", r'^speed="9" is out of range; use a number from 0\.25 to 4\.$'),
        ({"text": "x", "speed": True}, "speed", "^speed=true has the wrong type"),
        ({"text": "x", "speed": math.nan}, "speed", "not finite"),
        ({"text": "x", "seed": -2}, "seed", r"^seed=-2 is out of range; use a whole number from 0 to 2147483647"),
        ({"text": "x", "fix_duration": 0}, "fix_duration", "use a number above 0 and up to 30"),
        ({"text": "x", "output_format": "wave"}, "output_format", r"mean wav\? Use one of wav, flac, mp3, ogg, pcm, ulaw, al"),
        ({"text": "x", "output_format": "gsm"}, "output_format", r'^output_format="gsm" is not allowed; use one of'),
        ({"text": "x", "output_format": "mp3", "sample_rate": 16_000}, "sample_rate", "^mp3 is always 24,000 Hz: sample"),
        ({"text": "x", "output_format": "ulaw", "sample_rate": 16_000}, "sample_rate", "^ulaw is always 8,000 Hz: .*only"),
        ({"text": "x", "output_format": "ogg", "sample_rate": 16_000}, "sample_rate", "^ogg is always 24,000 Hz"),
        ({"text": "x", "normalize_text": "atuo"}, "normalize_text", r'did you mean auto\? Use "auto", true or false\.$'),
        ({"text": "x", "normalize_text": 1}, "normalize_text", '^normalize_text=1 has the wrong type; use "auto"'),
        ({"text": "x", "timing_format": "all,srt"}, "timing_format", "one of srt, vtt, csv, json, ass, all"),
        ({"text": "x", "timing_method": "google"}, "timing_method", "no longer offered; use forced_alignment"),
        ({"text": "x", "timing_method": "forced"}, "timing_method", "forced_alignment"),
        ({"text": "x", "timing_format": []}, "timing_format", "is an empty list"),
        ({"text": "x", "timing_format": ["srt", "sub"]}, "timing_format", "names 'sub', which is not a format; use one of srt"),
        ({"text": "x", "timing_format": ["srt", 3]}, "timing_format", "or a list of them"),
        ({"text": "x", "subtitle_words": 21}, "subtitle_words", "from 1 to 20"),
        ({"text": "x", "local_voice": ""}, "local_voice", "is empty; use the name of a stored voice or an http"),
        ({"text": "x", "local_voice": "../a.wav"}, "local_voice", "slash"),
        ({"text": "x", "local_voice": "a\\b.wav"}, "local_voice", "slash"),
        ({"text": "x", "local_voice": "a\nb.wav"}, "local_voice", "control character"),
        ({"text": "x", "local_voice": "x." * 200}, "local_voice", "is too long"),
        ({"text": "x", "local_voice": LONG}, "local_voice", "^local_voice holds base64 data; send it as ref_au"),
        ({"text": "x", "local_voice": "ftp://host/a.wav"}, "local_voice", r"is not an http\(s\) URL"),
        ({"text": "x", "local_voice": "file:///etc/passwd"}, "local_voice", r"is not an http\(s\) URL"),
        ({"text": "x", "local_voice": "https://"}, "local_voice", r"is not an http\(s\) URL"),
        ({"text": "x", "local_voice": "http://[::1"}, "local_voice", r"is not an http\(s\) URL"),
        ({"text": "x", "local_voice": f"https://h/{LONG}"}, "local_voice", "is too long"),
        ({"text": "x", "ref_audio_base64": " "}, "ref_audio_base64", "is empty"),
        ({"text": "x", "local_voice": "a.wav", "ref_audio_base64": "AA=="}, "ref_audio_base64", "cannot be sent together"),
        ({"text": "x", "ref_text": "..."}, "ref_text", "nothing that can be spoken"),
        ({"text": "x", "ref_text": "a" * 2_001}, "ref_text", "2,001 characters, more than a reference clip can hold"),
        ({"endpoint": "upload"}, "voice_name", "voice_name is missing"),
        ({"endpoint": "upload", "voice_name": "a.wav"}, "voice_file_url", "either voice_file_url or voice_base64"),
        ({**LEAST["upload"], "endpoint": "upload", "voice_base64": "AA=="}, "voice_file_url", "either"),
        ({"endpoint": "upload", "voice_name": "a.wav", "voice_file_url": "example.com"}, "voice_file_url", "not an http"),
        ({"endpoint": "upload", "voice_name": "a.txt", "voice_base64": "AA=="}, "voice_name", "not a voice name"),
        ({"endpoint": "upload", "voice_name": "../a.wav", "voice_base64": "AA=="}, "voice_name", "not a voice name"),
        ({"endpoint": "upload", "voice_name": "", "voice_base64": "AA=="}, "voice_name", "not a voice name"),
        ({"endpoint": "delete_voice"}, "voice_name", "voice_name is missing"),
        ({"endpoint": "delete_voice", "voice_name": " "}, "voice_name", "is empty"),
        ({"endpoint": "delete_voice", "voice_name": "a/b.wav"}, "voice_name", "slash"),
        ({"endpoint": "download"}, "job_id", "job_id is missing"),
        ({"endpoint": "download", "job_id": "../x"}, "job_id", r'^job_id="\.\./x" is not the id of a job'),
        ({"endpoint": "download", "job_id": "a/b"}, "job_id", "is not the id of a job"),
        ({"endpoint": "download", "job_id": "a.wav"}, "job_id", "is not the id of a job"),
        ({"endpoint": "download", "job_id": "-a"}, "job_id", "is not the id of a job"),
        ({"endpoint": "download", "job_id": ""}, "job_id", "is not the id of a job"),
        ({"endpoint": "download", "job_id": "a" * 129}, "job_id", "too long"),
        ({"endpoint": "download", "job_id": f"{JOB_ID}\n"}, "job_id", "is not the id of a job"),
        ({"endpoint": "download", "job_id": JOB_ID, "type": "video"}, "type", "one of audio, timing"),
        ({"endpoint": "download", "job_id": JOB_ID, "format": "srt"}, "format", 'not a format of type "audio"; use one of wav'),
        ({"endpoint": "download", "job_id": JOB_ID, "type": "timing", "format": "mp3"}, "format", "use one of srt, vtt"),
        ({"endpoint": "ttss"}, "endpoint", r'^endpoint="ttss" is unknown; did you mean tts\? Use one of tts, upload'),
        ({"endpoint": "stat"}, "endpoint", r"did you mean status\?"),
        ({"endpoint": ["tts"]}, "endpoint", "a list of 1"),
        ({"endpoint": "\ud800"}, "endpoint", "is unknown"),
        ({"text": "x", "sped": 2}, "sped", r"^sped=2 is not a field of tts; did you mean speed\? Allowed: endpoint, text,"),
        ({"txt": "Hello."}, "txt", r"^txt is not a field of tts; did you mean text\?.*\(1 more in problems\.\)$"),
        ({"text": "x", "overwrite": True}, "overwrite", "; it belongs to the endpoint upload. Allowed: endpoint, text"),
        ({"text": "x", "zzzz": 2}, "zzzz", "^zzzz=2 is not a field of tts. Allowed: endpoint, text"),
        ({"endpoint": "health", "verbose": True}, "verbose", "verbose=true is not a field of health"),
        ({"text": "x", 5: 5}, "5", "5=5 is not a field of tts"),
        ({"text": "x", "\ud800": 5}, "\\ud800", "not a field"),
        (None, "input", "^input is missing; send an object, like"),
        ("Hello, speak this.", "input", "^input is not an object"),
        ([{"text": "x"}], "input", "is not an object"),
    ],
)  # fmt: skip
def test_is_refused_with(fields: object, field: str, message: str) -> None:
    error = refused(fields)
    assert error.details["field"] == field
    assert re.search(message, error.message), error.message


@pytest.mark.parametrize("job", [{}, {"id": "x"}, {"input": None}, None, [], "text"])
def test_a_job_without_input_is_refused(job: Any) -> None:
    with pytest.raises(InputError, match="input is missing"):
        parse_job(job, Settings())


def test_the_likely_name_is_in_the_details() -> None:
    assert refused({"text": "x", "sped": 2}).details["did_you_mean"] == "speed"
    assert refused({"text": "x", "output_format": "wave"}).details["did_you_mean"] == "wav"
    assert "did_you_mean" not in refused({"text": "x", "speed": 9}).details


@pytest.mark.parametrize("name", [name for name in TTS_DEFAULTS if len(name) > 4])
def test_a_slip_in_any_field_name_is_recognised(name: str) -> None:
    for slip in (name[:-1], name[1:], name + "s", name.replace("_", ""), name.upper()):
        if slip not in (name, "voice"):  # which others call a reference
            assert refused({"text": "x", slip: 1}).details["did_you_mean"] == name


def test_all_problems_are_listed_unknown_names_first() -> None:
    error = refused({"txt": "Hello", "speed": 9, "seed": "x", "output_format": "aac"})
    assert [problem.split(" ")[0] for problem in error.details["problems"]] == [
        "txt",
        "text",
        "speed=9",
        'seed="x"',
        'output_format="aac"',
    ]
    assert error.message == f"{error.details['problems'][0]} (4 more in problems.)"


def test_a_flood_of_unknown_fields_is_counted_not_listed() -> None:
    error = refused({"text": "x", **{f"field{number}": number for number in range(5_000)}})
    assert error.details["problems"][-1] == "And 4980 more."


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "x", "local_voice": "ftp://user:SECRET@host/a.wav"},
        {"text": "x", "local_voice": "ftp://host/a.wav?X-Amz-Signature=SECRET"},
        {"text": "x", "local_voice": "ftp://host/a.wav#SECRET"},
        {"endpoint": "upload", "voice_name": "a.wav", "voice_file_url": "host/a.wav?token=SECRET"},
        {"endpoint": "upload", "voice_name": "a.wav", "voice_file_url": "ftp://u:p@SECRET@" + "h" * 9_000},
        {"text": "SECRET", "speed": 9},
        {"text": ["SECRET"]},
        {"text": {"SECRET": "SECRET"}},
        {"text": "SECRET\ud800"},
        {"txt": "SECRET"},
        {"text": "x", "s3Config": {"accessSecret": "SECRET"}},
        {"text": "x", "secret_access_key": "SECRET"},
        {"text": "x", "ref_text": "SECRET" * 1_000},
        {"text": "x", "ref_audio_base64": ["SECRET"]},
        {"text": "x", "local_voice": "a.wav", "ref_audio_base64": "SECRET"},
        "SECRET",
        {"text": "x", "output_format": "y" * 60 + "SECRET"},
        {"endpoint": "y" * 60 + "SECRET"},
    ],
)
def test_nothing_private_is_in_a_refusal(fields: object) -> None:
    assert "SECRET" not in json.dumps(refused(fields).answer())


ANY_TEXT = st.text(st.characters())  # lone surrogates too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
NAMES = sorted({name for model in MODELS.values() for name in model.model_fields})


@given(JSON | st.dictionaries(st.sampled_from(NAMES) | ANY_TEXT, JSON | st.sampled_from([*MODELS, "x", "wav"]), max_size=6))
@example({"text": "\ud83d\ude00"})
@example({"endpoint": "İ"})
def test_any_json_is_a_request_or_a_refusal(fields: object) -> None:
    try:
        request: Request | None = parse(fields)
    except InputError:
        request = None
    if request is None:
        refused(fields)
    else:
        assert type(request) in MODELS.values()
        assert parse(request.model_dump(exclude_unset=True)) == request


@given(st.text(min_size=3).filter(lambda text: text.strip() and any(ord(c) > 0x2500 for c in text)), st.sampled_from(NAMES))
def test_no_refusal_quotes_the_text(text: str, name: str) -> None:
    fields = {"text": text, name: text, f"{name}_": text, "seed": -2}
    for endpoint in ("tts", "health"):
        answer = json.dumps(refused({**fields, "endpoint": endpoint}).answer(), ensure_ascii=False)
        if name in ("text", "ref_text", "ref_audio_base64", "voice_base64") or endpoint == "health":
            assert text not in answer


def test_a_request_is_checked_without_http_s3_and_numbers() -> None:
    code = (
        "import sys\n"
        "from f5_worker.job.request import parse_job\n"
        "heavy = {'requests', 'urllib3', 'runpod', 'boto3', 's3_utils', 'numpy', 'torch', 'soundfile'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "[]"
