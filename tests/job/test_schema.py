"""``schema.json`` is current, and admits what a job may be: what it admits is accepted, what is refused it does not admit."""

import json
import re
from typing import Any

import pytest

from f5_worker.errors import InputError
from f5_worker.job.request import parse_job
from f5_worker.job.schema import PATH, text
from f5_worker.settings import Settings
from tests import REPOSITORY
from tests.job.test_request import LEAST
from tests.support.json_schema import conforms

SCHEMA: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
EACH = {name: {"endpoint": name, **fields} for name, fields in LEAST.items()}
CLIP = {"ref_audio_base64": "UklGRiQAAABXQVZF"}
S3 = {"accessId": "a", "accessSecret": "b", "bucketName": "my-bucket"}


def speech(*each: dict[str, Any]) -> list[dict[str, Any]]:
    """A job for speech with each of these fields."""
    return [{"input": {"text": "Hello.", **fields}} for fields in each]


ADMITTED: list[dict[str, Any]] = [
    *({"input": each} for each in EACH.values()),
    {"input": LEAST["tts"], "webhook": "https://example.com/hook", "policy": {"ttl": 60_000}},
    {"input": LEAST["tts"], "s3Config": S3},
    {"input": LEAST["tts"], "s3Config": {**S3, "endpointUrl": "https://s3.example.com"}},
    *speech(
        *(
            {"local_voice": "anna.wav", "ref_text": "Hi."},
            {"local_voice": "https://example.com/a.wav"},
            CLIP,
            {"ref_audio_base64": "data:audio/wav;base64,UklGRiQAAABXQVZF"},
            {"speed": 4, "seed": -1, "nfe_step": 64, "cfg_strength": 0},
            {"normalize_text": "auto"},
            {"normalize_text": False},
            {"output_format": "pcm", "sample_rate": 16_000},
            {"output_format": "mp3", "sample_rate": 24_000},
            {"output_format": "ulaw", "sample_rate": 8_000},
            {"timing_format": "all"},
            {"timing_format": ["srt", "vtt"]},
            {"voices": {"wolf": {"local_voice": "wolf.wav", "speed": 0.9}, "hen": CLIP}},
        )
    ),
    {"input": {**EACH["upload"], "overwrite": False, "ref_text": "Hi."}},
    {"input": {**EACH["download"], "type": "timing", "format": "srt", "inline": False}},
    {"input": {**EACH["download"], "format": "ogg"}},
]
REFUSED: list[dict[str, Any]] = [
    {},
    {"input": "Hello."},
    {"input": {}},
    {"input": {"endpoint": "speak", "text": "Hello."}},
    {"input": LEAST["tts"], "s3Config": {"accessId": "a"}},
    {"input": LEAST["tts"], "s3Config": {**S3, "bucket": "d"}},
    *({"input": {**each, "sped": 1}} for each in EACH.values()),
    *({"input": {"endpoint": name}} for name, least in LEAST.items() if least),
    *speech(
        *(
            {"text": " \n"},
            {"text": 5},
            {"speed": 5},
            {"speed": True},
            {"seed": 1.5},
            {"seed": 2**31},
            {"nfe_step": 0},
            {"fix_duration": 0},
            {"remove_silence": 1},
            {"normalize_text": 1},
            {"output_format": "midi"},
            {"output_format": "mp3", "sample_rate": 44_100},
            {"output_format": "alaw", "sample_rate": 16_000},
            {"timing_method": "google"},
            {"timing_format": []},
            {"timing_format": "doc"},
            {"local_voice": "anna.wav", **CLIP},
            {"ref_audio_base64": "https://example.com/a.wav"},
            {"ref_audio_base64": " "},
            {"ref_text": "x" * 2_001},
            {"voices": {"wolf": {"speed": 1}}},
            {"voices": {"wolf": {"local_voice": "a.wav", **CLIP}}},
            {"voices": {"wolf": "wolf.wav"}},
        )
    ),
    {"input": {**EACH["upload"], "voice_base64": "UklGRiQAAABXQVZF"}},
    {"input": {"endpoint": "upload", "voice_name": "anna.wav"}},
    {"input": {**EACH["upload"], "voice_file_url": "ftp://example.com/a.wav"}},
    {"input": {**EACH["upload"], "voice_name": "../anna.wav"}},
    {"input": {**EACH["download"], "job_id": "../x"}},
    {"input": {**EACH["download"], "format": "srt"}},
    {"input": {**EACH["download"], "type": "timing", "format": "wav"}},
]
LOOSER: list[dict[str, Any]] = [
    {"input": {"text": "Hello.", "speed": "1.2"}},
    {"input": {"text": "Hello.", "output_format": "WAV"}},
    {"input": {"text": "Hello.", "output_format": "opus"}},
    {"input": {"text": "Hello.", "seed": None}},
    {"input": {"endpoint": "status"}},
]
"""Accepted, though nobody is told to send it so."""


def examples() -> list[dict[str, Any]]:
    """Every job in the README, in its JSON blocks and in its commands."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"```json\n(\{\"input\".*?)```", readme, re.DOTALL)
    found += re.findall(r"'(\{\"input\".*?\})'", readme) + re.findall(r"`(\{\"input\": \{\"[a-z_]+\": \"[^`.]*\}\})`", readme)
    return [json.loads(job) for job in found if "%s" not in job]


def accepted(job: dict[str, Any]) -> bool:
    try:
        parse_job(job, Settings())
    except InputError:
        return False
    return True


def test_the_file_is_current() -> None:
    assert PATH.read_text(encoding="utf-8") == text(), "python -m f5_worker.job.schema writes it anew"
    assert not re.search(r"\{\w+\}|\{\{|``", text()), "a raw placeholder"


@pytest.mark.parametrize("job", ADMITTED, ids=json.dumps)
def test_what_is_admitted_is_accepted(job: dict[str, Any]) -> None:
    assert (conforms(job, SCHEMA, SCHEMA), accepted(job)) == (True, True)


@pytest.mark.parametrize("job", REFUSED, ids=lambda job: json.dumps(job)[:80])
def test_what_is_refused_is_not_admitted(job: dict[str, Any]) -> None:
    assert (conforms(job, SCHEMA, SCHEMA), accepted(job)) == (False, False)


@pytest.mark.parametrize("job", LOOSER, ids=json.dumps)
def test_a_job_may_be_looser_than_the_schema(job: dict[str, Any]) -> None:
    assert (conforms(job, SCHEMA, SCHEMA), accepted(job)) == (False, True)


def test_the_readmes_jobs_are_admitted() -> None:
    assert len(examples()) >= 4
    for job in examples():
        assert conforms(job, SCHEMA, SCHEMA), job
        assert accepted(job), job
