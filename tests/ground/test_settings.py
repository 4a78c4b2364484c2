"""The environment, the error tree and the log lines."""

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker import errors, log
from f5_worker.errors import CudaBrokenError, SettingsError, WorkerError
from f5_worker.s3_config import S3Config
from f5_worker.settings import FrontSettings, Settings, front_settings, load_settings

AWS_KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
AWS = {"S3_BUCKET": "voices", **AWS_KEYS}
RUNPOD = {"BUCKET_ACCESS_KEY_ID": "rkey", "BUCKET_SECRET_ACCESS_KEY": "rsecret"}
R2 = "https://acc.r2.cloudflarestorage.com"
R2_URL = f"{R2}/bkt"
AWS_HOST = "https://s3.eu-west-1.amazonaws.com"
AWS_URL = "https://bkt.s3.eu-west-1.amazonaws.com"


def s3(environment: Mapping[str, str]) -> S3Config:
    config = load_settings(environment).s3
    assert config is not None
    return config


def problems(environment: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment)
    found: list[str] = caught.value.details["problems"]
    assert all(problem in caught.value.message for problem in found)
    return found


# --- The environment ---------------------------------------------------------------------------------------------------------


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load_settings({}) == Settings()


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_TEXT_CHARS", "123")
    assert load_settings().max_text_chars == 123


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("F5TTS_MODEL", " smoke ", "model", "smoke"),
        ("F5TTS_CKPT_FILE", "hf://a/b/c.safetensors", "ckpt_file", "hf://a/b/c.safetensors"),
        ("F5TTS_VOCAB_FILE", "/v.txt", "vocab_file", "/v.txt"),
        ("DEFAULT_VOICE", " anna.wav ", "default_voice", "anna.wav"),
        ("DEFAULT_VOICE", "https://h/a?sig=1", "default_voice", "https://h/a?sig=1"),
        ("F5TTS_VOCODER_PATH", "/vocos", "vocoder_path", "/vocos"),
        ("ASR_MODEL", "/whisper", "asr_model", "/whisper"),
        ("F5TTS_DEVICE", "CPU", "device", "cpu"),
        ("MODEL_LOADING", "Background", "model_loading", "background"),
        ("STREAMING", "True", "streaming", True),
        ("MODEL_RETRY_SECONDS", "0", "model_retry_seconds", 0.0),
        ("NETWORK_VOLUME", "/volume", "network_volume", Path("/volume")),
        ("OUTPUT_DIR", "/out", "output_dir", Path("/out")),
        ("MAX_TEXT_CHARS", "1000000", "max_text_chars", 1_000_000),
        ("MAX_ITEMS", "1000", "max_items", 1_000),
        ("MAX_REFERENCE_BYTES", "1000", "max_reference_bytes", 1_000),
        ("MAX_INLINE_BYTES", "0", "max_inline_bytes", 0),
        ("REFERENCE_CACHE_ITEMS", "0", "reference_cache_items", 0),
        ("DOWNLOAD_TIMEOUT", "1.5", "download_timeout", 1.5),
        ("RUNPOD_ENDPOINT_ID", "", "on_runpod", True),
        ("RUNPOD_POD_ID", "pod", "on_pod", True),
        ("F5TTS_MODEL", "  ", "model", "F5TTS_v1_Base"),
        ("MAX_TEXT_CHARS", "", "max_text_chars", 20_000),
    ],
)
def test_a_variable_sets_its_field_alone(variable: str, value: str, field: str, expected: object) -> None:
    settings = load_settings({variable: value})
    got = getattr(settings, field)
    assert got == expected
    assert type(got) is type(expected) or isinstance(got, Path)
    also = "front" if variable.startswith("RUNPOD_") else f"{field}_chosen"  # where the HTTP front listens
    others = [other.name for other in fields(Settings) if other.name not in (field, also)]
    assert all(getattr(settings, name) == getattr(Settings(), name) for name in others)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, FrontSettings("127.0.0.1", 8_000)),
        ({"RUNPOD_ENDPOINT_ID": "x"}, FrontSettings("0.0.0.0", 80)),
        ({"RUNPOD_POD_ID": "x", "PORT": "5000", "PORT_HEALTH": "5001"}, FrontSettings("0.0.0.0", 5_000, 5_001)),
        ({"API_KEY": " k ", "PORT": "http", "S3_TIMEOUT": "never"}, FrontSettings(api_key="k")),
        ({"CORS_ORIGINS": "https://a.example, *, b.example"}, FrontSettings(cors_origins=("https://a.example", "*"))),
    ],
)
def test_the_http_fronts_settings_hold_whatever_is_wrong(environment: dict[str, str], expected: FrontSettings) -> None:
    assert front_settings(environment) == expected
    assert "k'" not in repr(expected)
    if "http" in environment.values() or "b.example" in str(environment):
        with pytest.raises(SettingsError, match=r"PORT='http' is not a whole number|CORS_ORIGINS has 'b\.example'"):
            load_settings(environment)


@pytest.mark.parametrize(
    ("variable", "low", "high"),
    [
        ("MODEL_RETRY_SECONDS", 0, 3600),
        ("MAX_TEXT_CHARS", 1, 1_000_000),
        ("MAX_ITEMS", 1, 1_000),
        ("MAX_REFERENCE_BYTES", 1_000, 1_000_000_000),
        ("MAX_INLINE_BYTES", 0, 14_000_000),
        ("REFERENCE_CACHE_ITEMS", 0, 10_000),
        ("DOWNLOAD_TIMEOUT", 1, 600),
        ("S3_URL_EXPIRES", 1, 604_800),
        ("S3_TIMEOUT", 1, 600),
    ],
)
def test_a_number_out_of_range_or_none_at_all_is_named_with_its_range(variable: str, low: int, high: int) -> None:
    for value in (str(low), str(high)):
        load_settings({variable: value})
    for value in (str(low - 1), str(high + 1), "nan", "inf", "-inf", "ten", "1,000", "9" * 5_000):
        (problem,) = problems({variable: value})
        assert problem.startswith(f"{variable}={value[:40]!r} is ")
        assert problem.endswith(f"; use {low} to {high}")


@pytest.mark.parametrize(
    ("variable", "allowed"),
    [("F5TTS_DEVICE", "auto, cpu, cuda"), ("MODEL_LOADING", "lazy, background"), ("S3_PATH_STYLE", "auto, true, false")],
)
def test_a_wrong_choice_is_named_with_the_choices(variable: str, allowed: str) -> None:
    assert problems({variable: "other"}) == [f"{variable}='other' is not allowed; use one of {allowed}"]


@pytest.mark.parametrize("value", ["https://", "ftp://h/a.wav", "../a.wav", "a/b.wav", "a\\b", "x" * 201])
def test_a_default_voice_is_the_name_of_a_voice_or_a_url(value: str) -> None:
    (problem,) = problems({"DEFAULT_VOICE": value})
    assert problem.startswith("DEFAULT_VOICE is ")
    assert problem.endswith("; use the name of a stored voice, like anna.wav, or an http(s) URL")


def test_a_fraction_is_no_whole_number() -> None:
    assert problems({"MAX_TEXT_CHARS": "10.5"}) == ["MAX_TEXT_CHARS='10.5' is not a whole number; use 1 to 1000000"]


def test_all_problems_are_named_at_once() -> None:
    found = problems({"MAX_TEXT_CHARS": "x", "F5TTS_DEVICE": "tpu", "AWS_ENDPOINT_URL": "nowhere", "S3_BUCKET": "s3://b"})
    assert [problem.split("=")[0].split(" ")[0] for problem in found] == [
        "F5TTS_DEVICE",
        "MAX_TEXT_CHARS",
        "AWS_ENDPOINT_URL",
        "S3_BUCKET",
    ]


@given(
    st.dictionaries(
        st.sampled_from(sorted({"MAX_TEXT_CHARS", "AWS_ENDPOINT_URL", "BUCKET_ENDPOINT_URL", *AWS, *RUNPOD})), st.text()
    )
)
def test_any_environment_gives_settings_or_a_settings_error(environment: dict[str, str]) -> None:
    try:
        load_settings(environment)
    except SettingsError:
        assert problems(environment)


# --- S3 in the environment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"S3_BUCKET": "bkt"}, {"bucket": "bkt", "access_key_id": None, "endpoint_url": None}),
        (AWS, {"bucket": "voices", "access_key_id": "key", "secret_access_key": "secret", "session_token": None}),
        ({**AWS, "AWS_SESSION_TOKEN": "t"}, {"session_token": "t"}),
        ({"S3_BUCKET": "bkt", "AWS_SESSION_TOKEN": "t"}, {"session_token": None}),
        ({**AWS, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "x"}, {"region": "eu-west-1"}),
        ({**AWS, "AWS_DEFAULT_REGION": "eu-west-1"}, {"region": "eu-west-1"}),
        ({**AWS, "AWS_ENDPOINT_URL": f"{R2}/"}, {"endpoint_url": R2}),
        ({**AWS, "S3_PREFIX": "/a/b/"}, {"prefix": "a/b"}),
        ({**AWS, "S3_URL_EXPIRES": "60", "S3_TIMEOUT": "5"}, {"url_expires": 60, "timeout": 5.0}),
        ({**AWS, "S3_PATH_STYLE": "TRUE"}, {"path_style": "true"}),
        ({**RUNPOD, "BUCKET_ENDPOINT_URL": AWS_URL}, {"bucket": "bkt", "access_key_id": "rkey", "endpoint_url": AWS_HOST}),
        ({**RUNPOD, "BUCKET_ENDPOINT_URL": R2_URL}, {"bucket": "bkt", "secret_access_key": "rsecret", "endpoint_url": R2}),
        ({**RUNPOD, "BUCKET_ENDPOINT_URL": R2, "S3_BUCKET": "bkt"}, {"bucket": "bkt", "endpoint_url": R2}),
        ({**RUNPOD, "S3_BUCKET": "bkt"}, {"bucket": "bkt", "access_key_id": "rkey", "endpoint_url": None}),
        ({**RUNPOD, "S3_BUCKET": "bkt", "AWS_ENDPOINT_URL": R2}, {"access_key_id": "rkey", "endpoint_url": R2}),
        # both sets are complete: the AWS names win
        ({**AWS, **RUNPOD, "BUCKET_ENDPOINT_URL": R2_URL}, {"bucket": "voices", "access_key_id": "key", "endpoint_url": None}),
        # AWS keys without a bucket may be there for something else
        ({**AWS_KEYS, **RUNPOD, "BUCKET_ENDPOINT_URL": R2_URL}, {"bucket": "bkt", "access_key_id": "rkey"}),
        ({**AWS_KEYS, **RUNPOD, "BUCKET_ENDPOINT_URL": R2_URL, "AWS_SESSION_TOKEN": "t"}, {"session_token": None}),
        ({**AWS_KEYS, "BUCKET_ENDPOINT_URL": R2_URL}, {"bucket": "bkt", "access_key_id": "key", "endpoint_url": R2}),
    ],
)  # fmt: skip
def test_the_bucket_of_the_endpoint(environment: dict[str, str], expected: dict[str, object]) -> None:
    config = s3(environment)
    assert {name: getattr(config, name) for name in expected} == expected


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_ACCESS_KEY_ID": "key"},
        {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"},
        RUNPOD,
        {"S3_BUCKET": " "},
    ],
)
def test_without_a_bucket_there_is_no_s3(environment: dict[str, str]) -> None:
    assert load_settings(environment).s3 is None


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"S3_BUCKET": "bkt", "AWS_ACCESS_KEY_ID": "k"}, "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set"),
        ({"S3_BUCKET": "bkt", "BUCKET_SECRET_ACCESS_KEY": "k"}, "only one of BUCKET_ACCESS_KEY_ID and"),
        ({**RUNPOD, "BUCKET_ENDPOINT_URL": R2}, "BUCKET_ENDPOINT_URL names no bucket and S3_BUCKET is not set"),
        ({**AWS, "S3_BUCKET": "s3://b"}, "S3_BUCKET is not the name of a bucket"),
        ({**AWS, "S3_BUCKET": "b/folder"}, "a folder in it belongs in S3_PREFIX"),
        ({"S3_BUCKET": "x"}, "S3_BUCKET is not the name of a bucket"),
        *[
            ({**AWS, "AWS_ENDPOINT_URL": url}, "AWS_ENDPOINT_URL is not the URL of a service")
            for url in (
                "s3.example.com",
                "ftp://h",
                "https://",
                "http://[::1",
                "http://h:99999",
                "https://user:pw@h",
                "https://h?x=1",
            )
        ],
        ({**RUNPOD, "BUCKET_ENDPOINT_URL": "b.s3.amazonaws.com"}, "BUCKET_ENDPOINT_URL is not the URL of a service"),
    ],
)
def test_s3_settings_that_cannot_work(environment: dict[str, str], problem: str) -> None:
    found = problems(environment)
    assert any(problem in sentence for sentence in found), found
    assert "pw" not in " ".join(found)


def test_credentials_are_never_shown() -> None:
    settings = load_settings({**AWS, "AWS_SESSION_TOKEN": "token"})
    assert not re.search(r"secret|token|'key'", repr(settings).replace("secret_access_key", ""))


# --- The error tree ----------------------------------------------------------------------------------------------------------

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and value.__module__ == errors.__name__]


def test_the_tree_in_the_docstring_is_the_class_tree() -> None:
    drawn: list[tuple[str, str]] = []
    stack: list[tuple[int, str]] = []
    for line in inspect.getdoc(errors).splitlines():  # type: ignore[union-attr]
        if match := re.match(r"( *(?:[│├└]── |│   |    )*)(\w+(?:Error|Stopped))\b", line):
            depth = len(match[1])
            while stack and stack[-1][0] >= depth:
                stack.pop()
            drawn.append((match[2], stack[-1][1] if stack else "Exception"))
            stack.append((depth, match[2]))
    assert sorted(drawn) == sorted((cls.__name__, cls.__mro__[1].__name__) for cls in CLASSES)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if issubclass(cls, WorkerError)])
def test_an_answer_has_message_type_and_details(cls: type[WorkerError]) -> None:
    error = cls("What is wrong; what to do.", field="text", position=3)
    expected = {"error": "What is wrong; what to do.", "error_type": cls.__name__, "field": "text", "position": 3}
    if cls.refresh_worker:
        expected["refresh_worker"] = True
    assert error.answer() == expected
    assert str(error) == error.message
    assert cls.__doc__


def test_details_cannot_hide_the_message() -> None:
    answer = CudaBrokenError("right", error="wrong", error_type="wrong", refresh_worker=False).answer()
    assert answer == {"error": "right", "error_type": "CudaBrokenError", "refresh_worker": True}


# --- Log lines ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("write", "level"), [(log.info, "INFO"), (log.warn, "WARN"), (log.error, "ERROR")])
def test_a_log_line_has_level_job_and_message(
    write: Any, level: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNPOD_ENDPOINT_ID", "endpoint")
    token = log.current_job_id.set("job-7")
    try:
        write("it happened")
    finally:
        log.current_job_id.reset(token)
    write("outside")
    inside, outside = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert inside == {"requestId": "job-7", "message": "it happened", "level": level}
    assert outside == {"requestId": None, "message": "outside", "level": level}
