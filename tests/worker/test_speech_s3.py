"""Speech handed over, and voices kept, through the handler: with a real S3 server, with one that fails, and with none."""

import base64
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import s3_utils
from f5_worker.s3_config import S3Config
from tests.support.fresh_worker import LONG_TEXT, QUICK, FreshWorker, base64_of, sound
from tests.support.s3_server import S3Server, black_hole, cutting_proxy, refused_endpoint
from tests.support.sounds import sound_file, voice

JOB = {**QUICK, "seed": 3}
HER_WORDS = "Nine words of hers that nobody else may hear."
TYPES = {"wav": "audio/wav", "flac": "audio/flac", "mp3": "audio/mpeg", "ogg": "audio/ogg"}
TYPES |= {"pcm": "audio/pcm", "ulaw": "audio/basic", "alaw": "audio/PCMA"}


@pytest.fixture
def on_runpod(fresh_worker: FreshWorker) -> FreshWorker:
    """A worker that RunPod has started: it keeps no files."""
    fresh_worker.restart(RUNPOD_ENDPOINT_ID="endpoint")
    return fresh_worker


def job_s3(config: S3Config) -> dict[str, str | None]:
    """A job's own ``s3Config``, as RunPod's documents have it."""
    return {
        "accessId": config.access_key_id,
        "accessSecret": config.secret_access_key,
        "bucketName": config.bucket,
        "endpointUrl": config.endpoint_url,
    }


# A server that works


@pytest.mark.parametrize("output_format", TYPES)
def test_the_speech_lies_behind_a_presigned_url_and_is_there_again_by_its_job_id(
    on_runpod: FreshWorker, s3_config: S3Config, output_format: str
) -> None:
    on_runpod.use_s3(s3_config)
    answer = on_runpod.ask({**JOB, "output_format": output_format})
    assert not {"audio_base64", "audio_path"} & answer.keys()
    assert answer["content_type"] == TYPES[output_format]
    assert f"/{s3_config.prefix}/output/{answer['job_id']}.{output_format}?" in answer["audio_url"]
    spoken = sound(answer)  # asserts the served content type and size
    assert spoken.duration == pytest.approx(answer["duration"], abs=0.08 if output_format == "mp3" else 1e-4)

    again = on_runpod.ask({"endpoint": "download", "job_id": answer["job_id"].upper(), "format": output_format})
    assert again["status"] == "ready"
    assert (again["filename"], again["format"]) == (f"{answer['job_id']}.{output_format}", output_format)
    assert base64_of(spoken.data) == again["audio_data"]
    with urllib.request.urlopen(again["audio_url"], timeout=60) as response:
        assert response.headers["Content-Disposition"].startswith("attachment")
        assert response.read() == spoken.data
    by_url = on_runpod.ask({"endpoint": "download", "job_id": answer["job_id"], "inline": False})
    assert by_url["format"] == output_format
    assert "audio_data" not in by_url


def test_a_jobs_own_bucket_wins_and_its_keys_are_kept_quiet(
    on_runpod: FreshWorker, s3_server: S3Server, s3_config: S3Config
) -> None:
    on_runpod.use_s3(s3_server.config(secret_access_key="not-the-secret-of-this-one", prefix=s3_config.prefix))
    on_runpod.private |= {str(s3_config.secret_access_key), str(s3_config.access_key_id)}
    own = job_s3(s3_config)
    answer = on_runpod.ask(JOB, s3Config=own)
    assert answer["warnings"] == on_runpod.ask(JOB, s3Config=own)["warnings"]
    assert sound(answer).duration == pytest.approx(answer["duration"], abs=1e-6)
    assert on_runpod.ask({"endpoint": "download", "job_id": answer["job_id"]}, s3Config=own)["status"] == "ready"
    denied = on_runpod.ask({"endpoint": "download", "job_id": answer["job_id"]})
    assert denied["error_type"] == "StorageDeniedError"


@pytest.mark.parametrize(
    ("own", "field"),
    [
        ("https://key:hunter2@s3.example.com/bucket", "s3Config"),
        ({"accessId": "a", "accessSecret": "hunter2"}, "s3Config.bucketName"),
        ({"accessId": "a", "accessSecret": "hunter2", "bucketName": "b/c"}, "s3Config.bucketName"),
        ({"accessId": "a", "accessSecret": "hunter2", "bucket": "b"}, "s3Config.bucket"),
        ({"accessId": "a", "accessSecret": ["hunter2"], "bucketName": "b"}, "s3Config.accessSecret"),
        (
            {"accessId": "a", "accessSecret": "hunter2", "bucketName": "mine", "endpointUrl": "s3.example.com"},
            "s3Config.endpointUrl",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "//" not in value else "",
)
def test_a_malformed_bucket_of_a_job_is_refused_before_any_work(on_runpod: FreshWorker, own: object, field: str) -> None:
    on_runpod.private.add("hunter2")
    answer = on_runpod.ask(JOB, s3Config=own)
    assert (answer["error_type"], answer["field"]) == ("InputError", field)
    assert not on_runpod.health()["model"]["loaded"]
    on_runpod.speaks()


@pytest.mark.parametrize("place", ["s3", "volume"])
def test_a_voices_life(on_runpod: FreshWorker, s3_config: S3Config, tmp_path: Path, place: str) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    if place == "s3":
        on_runpod.use_s3(s3_config)
    on_runpod.restart(NETWORK_VOLUME=volume)
    assert on_runpod.health()["voices"] == {"stored_on": place, "default": "built-in"}
    listed = on_runpod.ask({"endpoint": "list_voices"})
    assert (listed["status"], listed["voices"], listed["count"]) == ("success", [], 0)
    clip = {"voice_base64": base64_of(sound_file(voice(4), kind="flac")), "ref_text": HER_WORDS}
    on_runpod.private.add(clip["ref_text"])
    stored = on_runpod.ask({"endpoint": "upload", "voice_name": "anna.flac", **clip})
    assert stored["status"] == "success"
    assert (stored["name"], stored["ref_text"]) == ("anna.flac", clip["ref_text"])
    assert stored["duration"] == pytest.approx(4, abs=0.1)
    taken = on_runpod.ask({"endpoint": "upload", "voice_name": "anna.flac", **clip, "overwrite": False})
    assert taken["error_type"] == "InputError"
    assert "already stored" in taken["error"]

    (listed,) = on_runpod.ask({"endpoint": "list_voices"})["voices"]
    assert listed.keys() == {"name", "size", "last_modified", "duration", "ref_text"}
    spoken = on_runpod.ask({**JOB, "local_voice": "anna"})
    assert spoken["reference"] == {
        "voice": "anna.flac",
        "duration": pytest.approx(4, abs=0.1),
        "clipped": False,
        "ref_text": clip["ref_text"],
    }
    by_hand = on_runpod.ask({**JOB, "ref_audio_base64": clip["voice_base64"], "ref_text": clip["ref_text"]})
    assert sound(by_hand).data == sound(spoken).data

    near = on_runpod.ask({**JOB, "local_voice": "ana.flac"})
    assert near["error_type"] == "NotFoundError"
    assert "did you mean anna.flac?" in near["error"]
    assert on_runpod.ask({"endpoint": "delete_voice", "voice_name": "anna.flac"})["status"] == "success"
    assert on_runpod.ask({"endpoint": "delete_voice", "voice_name": "anna.flac"})["error_type"] == "NotFoundError"
    assert on_runpod.ask({"endpoint": "list_voices"})["count"] == 0
    assert [path for path in volume.rglob("*") if path.is_file()] == []


def test_a_voice_behind_a_url(on_runpod: FreshWorker, s3_config: S3Config) -> None:
    s3_utils.put_bytes(s3_config, "clip", sound_file(voice(4), kind="flac"), "audio/flac")
    on_runpod.restart(RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS="true")  # the S3 server's address is not public
    by_url = on_runpod.ask({**JOB, "local_voice": s3_utils.presign(s3_config, "clip"), "ref_text": HER_WORDS})
    by_hand = on_runpod.ask({**JOB, "ref_audio_base64": base64_of(sound_file(voice(4), kind="flac")), "ref_text": HER_WORDS})
    assert by_url["reference"] == {**by_hand["reference"], "voice": "url"}
    assert sound(by_url).data == sound(by_hand).data


# The voice of jobs that name none


def test_the_default_voice_speaks_for_jobs_that_bring_none(on_runpod: FreshWorker, s3_config: S3Config, tmp_path: Path) -> None:
    upload = {"endpoint": "upload", "voice_base64": base64_of(sound_file(voice(4))), "ref_text": HER_WORDS}
    on_runpod.restart(NETWORK_VOLUME=tmp_path, DEFAULT_VOICE="anna")
    before = on_runpod.ask(JOB)
    assert before["error_type"] == "SettingsError"
    assert before["error"].startswith("DEFAULT_VOICE='anna' is not a stored voice (none is stored); upload it first.")
    assert "Correct DEFAULT_VOICE in the endpoint's settings, or send local_voice or ref_audio_base64" in before["error"]
    health = on_runpod.health()
    assert health["voices"] == {"stored_on": "volume", "default": "anna", "error": health["problems"][-1]}
    assert on_runpod.ask({**upload, "voice_name": "anna.wav"})["status"] == "success"
    assert on_runpod.health()["voices"] == {"stored_on": "volume", "default": "anna"}
    default = on_runpod.ask(JOB)
    assert default["reference"]["voice"] == "anna.wav"
    assert sound(default).data == sound(on_runpod.ask({**JOB, "local_voice": "anna.wav"})).data
    on_runpod.ask({**upload, "voice_name": "bob.wav"})
    assert on_runpod.ask({**JOB, "local_voice": "bob"})["reference"]["voice"] == "bob.wav"

    s3_utils.put_bytes(s3_config, "clip", sound_file(voice(4)), "audio/wav")
    url = s3_utils.presign(s3_config, "clip")
    on_runpod.restart(RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS="true", DEFAULT_VOICE=url)
    assert on_runpod.health()["voices"]["default"] == "127.0.0.1"
    assert sound(on_runpod.ask({**JOB, "ref_text": HER_WORDS})).data == sound(default).data
    s3_utils.put_bytes(s3_config, "clip", b"no sound", "audio/wav")
    assert on_runpod.ask(JOB)["error"].startswith("DEFAULT_VOICE: ")


def test_a_default_voice_without_a_place_for_voices_says_so(on_runpod: FreshWorker) -> None:
    on_runpod.restart(DEFAULT_VOICE="anna.wav")
    answer = on_runpod.ask(JOB)
    assert answer["error_type"] == "StorageNotConfiguredError"
    assert answer["error"].startswith("DEFAULT_VOICE: There is no place for voices: ")
    assert on_runpod.health()["status"] == "degraded"


# A server that does not


@contextmanager
def at(endpoint: str) -> Iterator[str]:
    yield endpoint


FAILURES: dict[str, tuple[Callable[[S3Server], AbstractContextManager[str]], dict[str, Any], str]] = {
    "refused": (lambda _: at(refused_endpoint()), {}, "cannot be reached"),
    "slow": (lambda _: black_hole(), {"timeout": 1.0}, "does not answer within 1 s"),
    "wrong secret": (
        lambda server: at(server.endpoint),
        {"secret_access_key": "not-the-secret-of-this-one"},
        "refuses the credentials",
    ),
    "wrong key": (lambda server: at(server.endpoint), {"access_key_id": "NOTTHEKEYOFTHISONE"}, "refuses the credentials"),
    "no bucket": (lambda server: at(server.endpoint), {"bucket": "not-there"}, "has no bucket 'not-there'"),
    "dies in mid-upload": (lambda server: cutting_proxy(server.port, sent=20_000), {}, "keeps breaking off"),
}


@pytest.fixture(params=FAILURES, ids=str)
def failing_s3(request: pytest.FixtureRequest, on_runpod: FreshWorker, s3_server: S3Server) -> Iterator[str]:
    """The endpoint's bucket fails in this way; what the worker says of it."""
    way, changes, said = FAILURES[request.param]
    with ExitStack() as stack:
        endpoint = stack.enter_context(way(s3_server))
        on_runpod.use_s3(s3_server.config(endpoint_url=endpoint, **changes))
        yield said


def test_an_upload_that_fails_does_not_lose_the_speech(on_runpod: FreshWorker, failing_s3: str) -> None:
    answer = on_runpod.ask(JOB)
    assert answer["status"] == "completed"
    assert not {"audio_url", "audio_path"} & answer.keys()
    assert sound(answer).duration == pytest.approx(answer["duration"], abs=1e-6)
    (warning,) = [warning for warning in answer["warnings"] if "S3" in warning]
    assert warning.startswith("The upload to S3 failed: ")
    assert failing_s3 in warning
    assert warning.endswith("The audio is in the answer itself.")
    assert on_runpod.health()["s3"]["reachable"] in (False, failing_s3 == "keeps breaking off")


def test_an_upload_that_breaks_off_once_is_done_again(on_runpod: FreshWorker, s3_server: S3Server, s3_config: S3Config) -> None:
    with cutting_proxy(s3_server.port, sent=20_000, times=1) as endpoint:
        on_runpod.use_s3(s3_server.config(endpoint_url=endpoint, prefix=s3_config.prefix))
        answer = on_runpod.ask(JOB)
        assert len(answer["warnings"]) == 1  # of the smoke model
        assert sound(answer).duration == pytest.approx(answer["duration"], abs=1e-6)


def test_speech_that_no_answer_could_hold_is_refused_before_it_is_made(on_runpod: FreshWorker) -> None:
    on_runpod.restart(MAX_INLINE_BYTES=1_000)
    answer = on_runpod.ask(JOB)
    assert answer["error_type"] == "InputError"
    assert "more than an answer can hold in any format; send it in parts, or set an S3 bucket" in answer["error"]
    on_runpod.restart(MAX_INLINE_BYTES=1_000_000)
    on_runpod.speaks()


def test_speech_that_s3_does_not_take_and_no_answer_holds_is_kept_and_can_be_had_later(on_runpod: FreshWorker) -> None:
    on_runpod.use_s3(S3Config("mine", "key-of-mine", "hunter2", endpoint_url=refused_endpoint()))
    on_runpod.restart(MAX_INLINE_BYTES=1_000)
    answer = on_runpod.ask(JOB)
    assert not {"audio_url", "audio_base64", "audio_path"} & answer.keys()
    assert answer["warnings"][-1].startswith("The upload to S3 failed")
    assert answer["warnings"][-1].endswith(f"kept for the endpoint download, with job_id {answer['job_id']}.")
    on_runpod.restart(MAX_INLINE_BYTES=1_000_000)
    later = on_runpod.ask({"endpoint": "download", "job_id": answer["job_id"]})
    assert len(base64.b64decode(later["audio_data"])) == answer["size"]


# No server


def test_without_s3_runpod_gets_the_speech_inline_and_a_local_run_a_file(fresh_worker: FreshWorker) -> None:
    local = fresh_worker.ask(JOB)
    assert local["audio_path"] == f"output/{local['job_id']}.wav"
    fresh_worker.restart(RUNPOD_ENDPOINT_ID="endpoint")
    inline = fresh_worker.ask(JOB)
    assert not {"audio_url", "audio_path"} & inline.keys()
    assert sound(inline).data == sound(local).data


@pytest.mark.parametrize(
    "job_input",
    [
        {"endpoint": "list_voices"},
        {"endpoint": "delete_voice", "voice_name": "anna.wav"},
        {"endpoint": "download", "job_id": "00000000-0000-4000-8000-000000000000"},
        {"endpoint": "upload", "voice_name": "anna.wav", "voice_base64": base64_of(sound_file(voice(2)))},
        {**JOB, "local_voice": "anna.wav"},
    ],
    ids=lambda job_input: job_input.get("endpoint", "tts"),
)
def test_what_needs_s3_says_so(fresh_worker: FreshWorker, job_input: dict[str, Any]) -> None:
    answer = fresh_worker.ask(job_input)
    assert answer["error_type"] == "StorageNotConfiguredError"
    assert ("Attach a network volume" in answer["error"]) is (job_input.get("endpoint") != "download")
    assert "set S3_BUCKET, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on the endpoint, or send s3Config" in answer["error"]
    fresh_worker.speaks()


# The same input, the same bytes


def test_a_seed_gives_the_same_bytes_every_time_and_is_in_the_answer(fresh_worker: FreshWorker) -> None:
    job_input = {"text": LONG_TEXT, "nfe_step": 1, "output_format": "flac"}
    first = fresh_worker.ask(job_input)
    assert len(first["chunks"]) > 2
    with_its_seed = fresh_worker.ask({**job_input, "seed": first["seed"]})
    fresh_worker.restart()
    after_a_restart = fresh_worker.ask({**job_input, "seed": first["seed"]})
    assert sound(with_its_seed).data == sound(first).data == sound(after_a_restart).data
    other = fresh_worker.ask(job_input)
    assert other["seed"] != first["seed"]
    assert sound(other).data != sound(first).data
