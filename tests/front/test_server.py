"""The HTTP front as clients meet it: what is answered, with which status, while which model is loaded."""

import base64
import json
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from f5_worker.audio.codec import decode_audio
from f5_worker.formats import FORMATS
from tests import PATIENCE, REPOSITORY, wait_until
from tests.support.fresh_worker import LONG_TEXT, QUICK, base64_of, said_in, sound
from tests.support.http_front import SMOKE, HttpFront
from tests.support.judge import Judge, compare
from tests.support.processes import clean_environment, temporary_files
from tests.support.sounds import read_raw, sound_file, voice

TEXT = "Four score and seven years ago our fathers brought forth on this continent a new nation."
LONG = {"text": LONG_TEXT, "nfe_step": 1, "seed": 4}
ENDLESS = {"text": "word " * 3_999, "nfe_step": 64}  # minutes of work
CLIP = sound_file(voice(3))
LINES = {"Accept": "application/x-ndjson"}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpFront]:
    """One server for all that leave it as it was; at the end, what it said is checked, and that it goes when told."""
    folder = tmp_path_factory.mktemp("front")
    (folder / "volume").mkdir()
    environment = clean_environment(folder, **SMOKE, NETWORK_VOLUME=str(folder / "volume"))
    with HttpFront(env=environment, cwd=folder, with_ping_port=True) as server:
        yield server.ready()
        server.sigterm()
        assert server.wait() == 0
        assert said_in(server.log, str(folder), TEXT, "word word", LONG_TEXT) == []
    assert temporary_files(environment) == []


def samples_of(data: bytes) -> Any:
    return decode_audio(data, max_seconds=600).samples


# Speech


@pytest.mark.parametrize("name", ["mp3", "opus", "aac", "flac", "wav", "pcm", "ulaw"])
def test_openais_route_gives_the_bytes_of_a_file(front: HttpFront, name: str) -> None:
    body = {"model": "tts-1", "input": TEXT, "voice": "alloy", "response_format": name, "seed": 7, "nfe_step": 1}
    response = front.post("/v1/audio/speech", body)
    assert response.status_code == 200
    served_as = {"mp3": "audio/mpeg", "opus": "audio/ogg", "aac": "audio/aac", "ulaw": "audio/basic"}
    assert response.headers["content-type"] == served_as.get(name, f"audio/{name}")
    assert response.headers["transfer-encoding"] == "chunked"
    whole = sound(json.loads(front.post("/tts", {"text": TEXT, "seed": 7, "nfe_step": 1}, headers=LINES).text.splitlines()[-1]))
    heard = read_raw(response.content, name) if name in ("pcm", "ulaw") else samples_of(response.content)
    if name in ("flac", "wav", "pcm"):
        assert np.array_equal(heard, whole.samples)
    rate = {"ulaw": 8_000, "opus": 48_000}.get(name, 24_000)  # Opus has one rate inside, which FFmpeg decodes to
    assert len(heard) / rate == pytest.approx(whole.duration, abs=0.15) or name == "opus"


def test_openais_events_bring_the_same_file(front: HttpFront) -> None:
    body = {"input": LONG_TEXT, "response_format": "wav", "seed": 4, "nfe_step": 1}
    bytes_ = front.post("/v1/audio/speech", body).content
    response = front.post("/v1/audio/speech", {**body, "stream_format": "sse"})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in response.text.split("\n\n") if line]
    *deltas, done = events
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert len(deltas) > 2
    assert done == {"type": "speech.audio.done"}
    assert b"".join(base64.b64decode(event["audio"]) for event in deltas) == bytes_


def test_our_own_route_answers_in_json_in_lines_and_in_bytes(front: HttpFront) -> None:
    answer = front.post("/tts", LONG).json()
    assert answer["status"] == "completed"
    assert "audio_path" not in answer
    assert sound(answer).duration == pytest.approx(answer["duration"], abs=1e-6)

    two: dict[str, Any] = {**LONG, "text": "The first sentence is here. And the second one."}
    response = front.post("/tts", {**two, "return_word_timings": True, "timing_format": "vtt"}, headers=LINES)
    *parts, whole = [json.loads(line) for line in response.text.splitlines()]
    assert response.headers["content-type"] == "application/x-ndjson"
    assert [part["part"] for part in parts] == [*range(len(parts))]
    assert whole["word_count"] == len(two["text"].split())
    assert whole["timing_files"]["vtt"].startswith("WEBVTT")
    pieces = [samples_of(base64.b64decode(part["audio_base64"])) for part in parts]
    assert np.array_equal(np.concatenate(pieces), sound(whole).samples)

    for accept, form in {"audio/*": "wav", "audio/mpeg": "mp3", "audio/flac, audio/*;q=0.5": "flac"}.items():
        response = front.post("/tts", two, headers={"Accept": accept})
        assert response.headers["content-type"] == FORMATS[form].content_type
        assert len(samples_of(response.content)) == pytest.approx(len(sound(whole).samples), abs=2_500)
    chosen = front.post("/tts", {**two, "output_format": "flac", "sample_rate": 16_000}, headers={"Accept": "audio/*"})
    assert decode_audio(chosen.content, max_seconds=60).sample_rate == 16_000


def test_items_are_a_job_too(front: HttpFront) -> None:
    answer = front.post("/tts", {"items": [{"id": "a", "text": "Hello."}, {"text": " "}], "nfe_step": 1}).json()
    assert (answer["completed"], answer["failed"]) == (1, 1)
    assert front.post("/tts", {"items": [{"text": "Hello."}]}, headers={"Accept": "audio/*"}).status_code == 400


@pytest.mark.parametrize("path", ["/tts", "/v1/audio/speech"])
def test_sound_comes_before_the_whole_is_made_and_who_leaves_stops_the_job(front: HttpFront, path: str) -> None:
    body = {**ENDLESS, "nfe_step": 1} if path == "/tts" else {"input": ENDLESS["text"], "nfe_step": 1}
    request_id = f"leaver{path.replace('/', '-')}"
    headers = {"X-Request-Id": request_id, "Accept": "audio/*"}
    response = front.post(path, body, headers=headers, stream=True)
    assert len(next(response.iter_content(1_000))) == 1_000
    response.close()
    front.wait_for_log(f"{request_id} | POST {path}: 200, cut off")
    wait_until(lambda: not temporary_files(front.env))
    assert f"{request_id} | Spoke" not in front.log


def test_who_leaves_before_the_first_sound_stops_the_job(front: HttpFront) -> None:
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{front.url}/tts", json=ENDLESS, headers={"X-Request-Id": "early-leaver"}, timeout=1)
    front.wait_for_log("early-leaver | The job was stopped; its work has ended")
    assert front.post("/tts", QUICK).status_code == 200


# What is wrong


JSON = {"Content-Type": "application/json"}
HTML = base64_of(b"<html>")
WRONG: list[tuple[str, dict[str, Any], int, str, str | None]] = [
    ("/tts", {"json": {"text": "Hi.", "sped": 2}}, 400, "InputError", "sped"),
    ("/tts", {"json": {"text": "Hi.", "local_voice": "nobody.wav"}}, 404, "NotFoundError", "local_voice"),
    (
        "/tts",
        {"json": {"text": "Hi.", "ref_audio_base64": base64_of(b"<html>")}},
        422,
        "ReferenceClipError",
        "ref_audio_base64",
    ),
    ("/tts", {"json": {"text": "Hi.", "endpoint": "health"}}, 400, "InputError", "endpoint"),
    ("/tts", {"json": ["Hi."]}, 400, "InputError", "input"),
    ("/tts", {"data": b'{"text": "Hi."', "headers": JSON}, 400, "InputError", "input"),
    ("/tts", {"data": b'{"text": "\xff"}', "headers": JSON}, 400, "InputError", "input"),
    ("/tts", {"data": b"[" * 100_000, "headers": JSON}, 400, "InputError", "input"),
    ("/tts", {"data": {"text": "Hi."}}, 415, "WrongContentTypeError", None),
    ("/tts", {"data": b" " * 70_000_000, "headers": JSON}, 413, "RequestTooLargeError", None),
    ("/tts", {"data": (b" " * 1_000_000 for _ in range(70)), "headers": JSON}, 413, "RequestTooLargeError", None),
    ("/voices", {"files": {"file": ("a.wav", bytes(70_000_000))}}, 413, "RequestTooLargeError", None),
    ("/voices", {"files": {"file": ("a.wav", bytes(21_000_000))}}, 413, "RequestTooLargeError", None),
    ("/voices", {"data": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "InputError", "input"),
    ("/tts", {"json": {"text": "Hi."}, "headers": {"Sec-Fetch-Site": "cross-site"}}, 401, "KeyRefusedError", None),
    ("/voices", {"json": {"voice_name": "../a.wav", "voice_base64": "UklGRg=="}}, 400, "InputError", "voice_name"),
    ("/v1/audio/speech", {"json": {"input": " "}}, 400, "InputError", "input"),
    ("/v1/audio/speech", {"json": {"input": "Hi.", "response_format": "midi"}}, 400, "InputError", "response_format"),
    ("/v1/audio/speech", {"json": {"input": "Hi.", "speed": 9}}, 400, "InputError", "speed"),
    ("/v1/audio/speech", {"json": {"input": "Hi.", "voice": "nobody.wav"}}, 404, "NotFoundError", "voice"),
    ("/v1/nothing", {"json": {}}, 404, "RequestError", None),
    ("/health", {"json": {}}, 405, "RequestError", None),
]


@pytest.mark.parametrize(("path", "request_", "status", "code", "field"), WRONG)
def test_an_error_is_a_status(
    front: HttpFront, path: str, request_: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    response = front.post(path, **request_)
    assert response.status_code == status
    body = response.json()
    if path.startswith("/v1"):
        error = body["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert (error["code"], error["param"], error["type"][-6:]) == (code, field, "_error")
    else:
        assert (body["error_type"], body.get("field")) == (code, field)
        assert body["error"]


def test_each_response_has_the_id_that_its_log_lines_have(front: HttpFront) -> None:
    for sent in ("mine-1", "two\twords"):
        got = front.post("/tts", {"text": " "}, headers={"X-Request-Id": sent}).headers["x-request-id"]
        assert (got == sent) == (sent == "mine-1")
        front.wait_for_log(f"{got} | POST /tts: 400")


# Voices and the rest


def test_a_voice_is_stored_listed_spoken_with_and_removed(front: HttpFront) -> None:
    fields = {"ref_text": "What the clip says."}
    stored = front.post("/voices", files={"file": ("anna.wav", CLIP)}, data=fields)
    assert (stored.status_code, stored.json()["name"]) == (200, "anna.wav")
    assert front.post("/voices", files={"file": ("anna.wav", CLIP)}, data={"overwrite": "false"}).status_code == 400
    assert front.post("/voices", {"voice_name": "ben.wav", "voice_base64": base64_of(CLIP)}).status_code == 200
    for path in ("/voices", "/v1/audio/voices"):
        assert [found["name"] for found in front.get(path).json()["voices"]] == ["anna.wav", "ben.wav"]
    assert front.get("/voices", params={"limit": 1}).json()["next_start_after"] == "anna.wav"
    spoken = front.post("/tts", {**QUICK, "local_voice": "anna.wav"}).json()
    assert spoken["reference"]["ref_text"] == "What the clip says."
    assert requests.delete(f"{front.url}/voices/anna.wav", timeout=PATIENCE).json() == {"status": "success", "name": "anna.wav"}
    assert requests.delete(f"{front.url}/voices/anna.wav", timeout=PATIENCE).status_code == 404
    assert front.get("/results/00000000-0000-0000-0000-000000000000").status_code in (404, 501)


def test_ping_and_health_and_models(front: HttpFront) -> None:
    assert (front.ping(), requests.head(f"{front.url}/ping", timeout=PATIENCE).status_code) == (200, 200)
    assert requests.get(f"{front.ping_url}/ping", timeout=PATIENCE).json() == {"status": "ready"}
    assert requests.get(f"{front.ping_url}/health", timeout=PATIENCE).status_code == 404
    assert front.get("/health").json()["model"]["loaded"]
    assert [model["id"] for model in front.get("/v1/models").json()["data"]] == ["smoke"]


def test_openapi_types_every_body_and_no_placeholder_is_left(front: HttpFront) -> None:
    document = front.get("/openapi.json").text
    assert "{max_" not in document
    paths = json.loads(document)["paths"]
    for route in ("/tts", "/v1/audio/speech", "/voices"):
        body = paths[route]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert all(one["properties"] for one in body.get("anyOf", [body]))
        assert paths[route]["post"]["responses"]["400"]["content"]
    assert {parameter["name"] for parameter in paths["/voices"]["get"]["parameters"]} == {"limit", "start_after"}
    assert front.get("/docs").status_code == 200


def test_no_other_site_may_read_it(front: HttpFront) -> None:
    assert "access-control-allow-origin" not in front.get("/v1/models", headers={"Origin": "https://example.com"}).headers


# The start and the end


def test_a_key_is_asked_for_but_by_ping_and_the_page(environment: dict[str, str], tmp_path: Path) -> None:
    environment |= {**SMOKE, "API_KEY": "s3cret", "CORS_ORIGINS": "https://example.com"}
    environment |= {"F5_PYTHON": sys.executable}
    with HttpFront(env=environment, cwd=tmp_path, command=[str(REPOSITORY / "start.sh")]) as server:
        server.ready()
        for path in ("/ping", "/", "/page.js", "/page.css"):
            assert server.get(path).status_code == 200
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"X-API-Key": "schlüssel".encode()},
            {"Authorization": "s3cret"},
        ):
            response = server.get("/v1/models", headers=headers)
            assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
            assert response.json()["error"]["code"] == "KeyRefusedError"
            assert server.post("/tts", QUICK, headers=headers).status_code == 401
        for right in ({"Authorization": "Bearer s3cret"}, {"Authorization": "Bearer other", "X-API-Key": "s3cret"}):
            assert server.get("/v1/models", headers=right).status_code == 200
        asked = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
        allowed = requests.options(f"{server.url}/tts", headers=asked, timeout=PATIENCE)
        assert allowed.headers["access-control-allow-origin"] == "https://example.com"
        assert said_in(server.log, "s3cret") == []


def test_ping_says_starting_then_failed_then_ready(environment: dict[str, str], tmp_path: Path, smoke_folder: Path) -> None:
    model, hub = tmp_path / "model", socket.create_server(("127.0.0.1", 0))  # a hub that is silent
    environment |= {"F5TTS_MODEL": "hf://owner/model", "F5TTS_DEVICE": "cpu", "MODEL_RETRY_SECONDS": "0", "HF_HUB_OFFLINE": "0"}
    environment |= {"HF_ENDPOINT": f"http://127.0.0.1:{hub.getsockname()[1]}", "RUNPOD_ENDPOINT_ID": "x"}
    environment |= {"HF_HUB_ETAG_TIMEOUT": "300", "HF_HUB_DOWNLOAD_TIMEOUT": "300"}
    with hub, HttpFront(env=environment, cwd=tmp_path) as server:
        connection, _ = hub.accept()
        with connection:  # the load is on its way
            wait_until(lambda: server.ping() == 204)
    environment |= {"F5TTS_MODEL": str(model)}
    with HttpFront(env=environment, cwd=tmp_path) as server:
        wait_until(lambda: server.ping() == 503)
        failed = server.get("/ping")
        assert failed.json()["error_type"] == "CheckpointNotFoundError"
        assert int(failed.headers["retry-after"]) >= 1
        speech = server.post("/v1/audio/speech", {"input": "Hello."})
        assert (speech.status_code, speech.json()["error"]["type"]) == (503, "server_error")
        shutil.copytree(smoke_folder, tmp_path / "copy")
        (tmp_path / "copy").rename(model)
        server.ready()


def test_settings_that_cannot_work_leave_port_and_key(environment: dict[str, str], tmp_path: Path) -> None:
    environment |= {**SMOKE, "S3_TIMEOUT": "never", "PORT_HEALTH": "here", "API_KEY": "s3cret"}
    with HttpFront(env=environment, cwd=tmp_path) as server:
        wait_until(lambda: server.ping() == 503)
        assert server.get("/ping").json()["error_type"] == "SettingsError"
        assert server.get("/health").status_code == 401
        key = {"X-API-Key": "s3cret"}
        problems = " ".join(server.get("/health", headers=key).json()["settings"]["problems"])
        assert "S3_TIMEOUT" in problems
        assert "PORT_HEALTH" in problems
        assert server.post("/tts", QUICK, headers=key).json()["error_type"] == "SettingsError"


def test_sigterm_in_mid_stream_ends_the_stream_and_exits_0(environment: dict[str, str], tmp_path: Path) -> None:
    with HttpFront(env=environment | SMOKE, cwd=tmp_path) as server:
        server.ready()
        response = server.post("/tts", LONG, headers=LINES, stream=True)
        lines = response.iter_lines(chunk_size=1_000_000)
        first = next(lines)
        server.sigterm()
        *_, last = [json.loads(line) for line in (first, *lines)]
        assert last["status"] == "completed"
        assert sound(last).duration == pytest.approx(last["duration"], abs=1e-6)
        assert server.wait() == 0
    assert temporary_files(environment) == []


def test_a_port_that_is_taken_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        with HttpFront("--port", taken, env=environment | SMOKE, cwd=tmp_path) as server:
            assert server.wait() == 1
            assert f"127.0.0.1:{taken} cannot be listened on (Address already in use)" in server.log


def test_what_is_spoken_through_the_front_is_heard(environment: dict[str, str], tmp_path: Path, judge: Judge) -> None:
    with HttpFront(env=environment | SMOKE | {"F5TTS_MODEL": "demo"}, cwd=tmp_path) as server:
        server.ready()
        text = "The river was high after three days of rain. Nobody could cross the old bridge."
        response = server.post("/v1/audio/speech", {"input": text, "seed": 3, "nfe_step": 7, "response_format": "mp3"})
    wave = decode_audio(response.content, max_seconds=60)
    heard = judge.hear(wave.samples, wave.sample_rate)
    assert compare(text, heard).rate < 0.35, heard
