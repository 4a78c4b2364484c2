"""Handing results over: by a real S3 server, inline, as files, and what stands in when one of these fails."""

import base64
import shutil
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

import s3_utils
from f5_worker.delivery.deliver import (
    Delivered,
    find_kept,
    find_result,
    inline_result,
    store_result,
)
from f5_worker.delivery.deliver import (
    deliver as deliver_result,
)
from f5_worker.errors import (
    BucketNotFoundError,
    DeliveryError,
    NotFoundError,
    StorageDeniedError,
    StorageNotFoundError,
    StorageUnreachableError,
)
from f5_worker.formats import CONTENT_TYPES, FORMATS, ResultKind
from f5_worker.s3_config import S3Config
from f5_worker.settings import Settings
from tests.support.s3_server import S3Server, black_hole, cutting_proxy, refused_endpoint

AUDIO = bytes(range(256)) * 40
JOB_ID = "0b9f6c1e-8f5e-4a55-9a43-1d2f4f0f7a10"
FITS, TOO_SMALL = len(AUDIO), len(AUDIO) - 1


@pytest.fixture
def audio_file(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    path = folder / "speech.wav"
    path.write_bytes(AUDIO)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Local by default; tests switch ``on_runpod`` on."""
    return Settings(output_dir=tmp_path / "output", max_inline_bytes=FITS)


def deliver(path: Path, settings: Settings, s3: S3Config | None, output_format: str = "wav") -> Delivered:
    return deliver_result(path, "audio", output_format, job_id=JOB_ID, settings=settings, s3=s3)


def files_under(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def broken(name: str, s3_server: S3Server, config: S3Config) -> Iterator[S3Config]:
    if name == "refused":
        yield replace(config, endpoint_url=refused_endpoint())
    elif name == "silent":
        with black_hole() as endpoint:
            yield replace(config, endpoint_url=endpoint, timeout=0.2)
    elif name == "breaks off":
        with cutting_proxy(s3_server.port, sent=5_000) as endpoint:
            yield replace(config, endpoint_url=endpoint)
    elif name == "wrong key":
        yield replace(config, secret_access_key="wrong")
    elif name == "no permission":
        yield s3_server.reader(prefix=config.prefix)
    elif name == "no bucket":
        yield replace(config, bucket="no-such-bucket")
    elif name == "no credentials":
        yield replace(config, secret_access_key=None)
    else:
        raise ValueError(name)


@pytest.fixture(params=["refused", "silent", "breaks off", "wrong key", "no permission", "no bucket", "no credentials"])
def broken_s3(request: pytest.FixtureRequest, s3_server: S3Server, s3_config: S3Config) -> Iterator[S3Config]:
    """S3 that fails in every way there is."""
    with contextmanager(broken)(request.param, s3_server, s3_config) as config:
        yield config


# -------------------------------------------------------------------------------------------------------------------- delivery


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("on_runpod", [True, False])
def test_with_s3_the_answer_is_a_url_that_serves_the_file(
    audio_file: Path, settings: Settings, s3_config: S3Config, output_format: str, on_runpod: bool
) -> None:
    here = replace(settings, on_runpod=on_runpod, max_inline_bytes=0)
    delivery = deliver(audio_file, here, s3_config, output_format)
    served = requests.get(delivery.answer()["audio_url"], timeout=60)
    assert served.content == AUDIO
    assert served.headers["Content-Type"] == delivery.content_type == FORMATS[output_format].content_type
    assert (delivery.size, delivery.warnings) == (len(AUDIO), ())
    assert [info.key for info in s3_utils.list_objects(s3_config, "")] == [f"output/{JOB_ID}.{output_format}"]
    assert not settings.output_dir.exists()
    assert set(delivery.answer()) == {"audio_url", "size", "content_type"}


def test_without_s3_on_runpod_the_audio_is_in_the_answer(audio_file: Path, settings: Settings, tmp_path: Path) -> None:
    delivery = deliver(audio_file, replace(settings, on_runpod=True), None)
    assert delivery.answer() == {
        "audio_base64": base64.b64encode(AUDIO).decode("ascii"),
        "size": len(AUDIO),
        "content_type": "audio/wav",
    }
    assert delivery.warnings == ()
    assert files_under(tmp_path) == {"job/speech.wav"}


@pytest.mark.parametrize("limit", [0, FITS])
def test_without_s3_on_a_local_run_the_audio_is_a_file(
    audio_file: Path, settings: Settings, tmp_path: Path, limit: int
) -> None:
    delivery = deliver(audio_file, replace(settings, max_inline_bytes=limit), None)
    assert delivery.answer()["audio_path"] == str(settings.output_dir / f"{JOB_ID}.wav")
    assert Path(delivery.answer()["audio_path"]).read_bytes() == AUDIO
    assert delivery.answer() == {"audio_path": delivery.answer()["audio_path"], "size": len(AUDIO), "content_type": "audio/wav"}
    assert delivery.warnings == ()
    assert files_under(tmp_path) == {"job/speech.wav", f"output/{JOB_ID}.wav"}


def test_a_file_reaches_another_file_system(audio_file: Path, settings: Settings) -> None:
    elsewhere = Path("/dev/shm") / f"f5-tts-test-{uuid.uuid4().hex}"
    if not elsewhere.parent.is_dir() or elsewhere.parent.stat().st_dev == audio_file.stat().st_dev:
        pytest.skip("this machine has no second file system to write to")
    try:
        delivery = deliver(audio_file, replace(settings, output_dir=elsewhere / "deep"), None)
        assert Path(delivery.answer()["audio_path"]).read_bytes() == AUDIO
        assert files_under(elsewhere) == {f"deep/{JOB_ID}.wav"}
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)


@pytest.mark.parametrize(("form", "mends"), [("wav", r"or choose a smaller output_format \(mp3, ogg\) "), ("mp3", "")])
def test_what_fits_nowhere_is_an_error(audio_file: Path, settings: Settings, form: str, mends: str) -> None:
    settings.output_dir.write_text("not a folder")
    here = replace(settings, on_runpod=True, max_inline_bytes=TOO_SMALL)
    expected = (
        rf"The {form} audio has 10,240 bytes, more than the {TOO_SMALL:,} that fit into an answer: set S3_BUCKET and its "
        rf"credentials {mends}or send a shorter text"
    )
    with pytest.raises(DeliveryError, match=expected) as caught:
        deliver(audio_file, here, None, form)
    assert caught.value.details == {"size": len(AUDIO), "limit": TOO_SMALL}


def test_what_no_answer_can_hold_goes_out_smaller_else_it_is_kept(audio_file: Path, settings: Settings, tmp_path: Path) -> None:
    here = replace(settings, on_runpod=True, max_inline_bytes=TOO_SMALL)
    small = tmp_path / "small.ogg"
    small.write_bytes(b"small")

    def make(max_bytes: int) -> tuple[Path, str]:
        assert max_bytes == TOO_SMALL
        return small, "ogg"

    sent = deliver_result(audio_file, "audio", "wav", job_id=JOB_ID, settings=here, s3=None, smaller=make)
    assert (sent.format, sent.content_type, base64.b64decode(sent.value)) == ("ogg", "audio/ogg", b"small")
    assert "10,240 bytes" in sent.warnings[0]
    kept = deliver_result(audio_file, "audio", "wav", job_id=JOB_ID, settings=here, s3=None, smaller=lambda _: None)
    assert kept.answer() == {"size": len(AUDIO), "content_type": "audio/wav"}
    assert "download" in kept.warnings[0]
    found = find_kept(here, JOB_ID, "audio", None)
    assert found is not None
    assert found.read_bytes() == AUDIO


@pytest.mark.parametrize("error", [RecursionError("deep"), OSError(5, "Input/output error"), MemoryError(), KeyError("ETag")])
def test_whatever_an_upload_raises_is_a_failed_upload(
    audio_file: Path, settings: Settings, s3_config: S3Config, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(s3_utils, "upload_file", fail)
    delivery = deliver(audio_file, replace(settings, on_runpod=True), s3_config)
    assert base64.b64decode(delivery.value) == AUDIO
    assert delivery.warnings[0].startswith("The upload to S3 failed: ")


class _SaysYes(BaseHTTPRequestHandler):
    """Takes everything, keeps nothing; ``redirects`` sends everybody to itself instead."""

    redirects = False

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(307 if self.redirects else 200)
        if self.redirects:
            self.send_header("Location", self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_HEAD = do_POST = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("redirects", [False, True])
def test_a_server_that_says_yes_to_everything_stores_nothing(
    audio_file: Path, settings: Settings, s3_config: S3Config, redirects: bool
) -> None:
    answers = type("Answers", (_SaysYes,), {"redirects": redirects})
    with ThreadingHTTPServer(("127.0.0.1", 0), answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        delivery = deliver(audio_file, replace(settings, on_runpod=True), replace(s3_config, endpoint_url=url))
        server.shutdown()
    assert base64.b64decode(delivery.value) == AUDIO
    assert delivery.warnings[0].startswith("The upload to S3 failed: ")


@pytest.mark.parametrize("on_runpod", [True, False])
def test_a_failed_upload_goes_inline_with_a_warning(
    audio_file: Path, settings: Settings, broken_s3: S3Config, tmp_path: Path, on_runpod: bool
) -> None:
    delivery = deliver(audio_file, replace(settings, on_runpod=on_runpod), broken_s3)
    assert base64.b64decode(delivery.answer()["audio_base64"]) == AUDIO
    (warning,) = delivery.warnings
    assert warning.startswith("The upload to S3 failed: ")
    assert warning.endswith("The audio is in the answer itself.")
    assert not [secret for secret in ("testsecretkey1234", "X-Amz", str(tmp_path)) if secret in warning]
    assert files_under(tmp_path) == {"job/speech.wav"}


def test_a_failed_upload_that_does_not_fit_inline(
    audio_file: Path, settings: Settings, s3_config: S3Config, tmp_path: Path
) -> None:
    s3, small = replace(s3_config, endpoint_url=refused_endpoint()), replace(settings, max_inline_bytes=TOO_SMALL)
    kept = deliver(audio_file, small, s3)
    assert Path(kept.answer()["audio_path"]).read_bytes() == AUDIO
    assert kept.warnings[0].startswith("The upload to S3 failed: ")
    assert kept.warnings[0].endswith("The audio is kept as a local file.")
    on_runpod = deliver(audio_file, replace(small, on_runpod=True), s3)
    assert on_runpod.way == "kept"
    assert str(tmp_path) not in on_runpod.warnings[0]


def test_an_upload_that_breaks_off_once_is_done_again(
    audio_file: Path, settings: Settings, s3_server: S3Server, s3_config: S3Config
) -> None:
    with cutting_proxy(s3_server.port, sent=5_000, times=1) as endpoint:
        delivery = deliver(audio_file, settings, replace(s3_config, endpoint_url=endpoint))
        assert requests.get(delivery.answer()["audio_url"], timeout=60).content == AUDIO
    assert delivery.warnings == ()


# ------------------------------------------------------------------------------------------------------ local folders that fail


def _blocked_by_a_file(folder: Path) -> None:
    folder.write_text("not a folder")


def _blocked_by_a_folder(folder: Path) -> None:
    (folder / f"{JOB_ID}.wav" / "inner").mkdir(parents=True)


@pytest.mark.parametrize("block", [_blocked_by_a_file, _blocked_by_a_folder])
def test_a_folder_that_cannot_be_written_gives_the_audio_inline(
    audio_file: Path, settings: Settings, tmp_path: Path, block: Callable[[Path], None]
) -> None:
    block(settings.output_dir)
    before = files_under(tmp_path)
    delivery = deliver(audio_file, settings, None)
    assert base64.b64decode(delivery.answer()["audio_base64"]) == AUDIO
    (warning,) = delivery.warnings
    assert warning.startswith("OUTPUT_DIR cannot be written (")
    assert str(tmp_path) not in warning
    with pytest.raises(
        DeliveryError, match=r"^OUTPUT_DIR cannot be written \(.*: set S3_BUCKET .* or free or change OUTPUT_DIR or"
    ):
        deliver(audio_file, replace(settings, max_inline_bytes=0), None)
    assert files_under(tmp_path) == before


def test_a_full_disk_gives_the_audio_inline_and_leaves_no_part(audio_file: Path, settings: Settings, small_disk: Path) -> None:
    here = replace(settings, output_dir=small_disk / "output", max_inline_bytes=10**9)
    audio_file.write_bytes(AUDIO * 200)
    delivery = deliver(audio_file, here, None)
    assert base64.b64decode(delivery.answer()["audio_base64"]) == AUDIO * 200
    assert delivery.warnings == ("The disk of OUTPUT_DIR has no room for 2,048,000 bytes. The audio is in the answer itself.",)
    with pytest.raises(DeliveryError, match=r"^The disk of OUTPUT_DIR has no room for 2,048,000 bytes\. The wav audio has"):
        deliver(audio_file, replace(here, max_inline_bytes=0), None)
    assert files_under(small_disk) == set()
    audio_file.write_bytes(AUDIO)
    assert deliver(audio_file, here, None).answer()["audio_path"] == str(here.output_dir / f"{JOB_ID}.wav")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for one megabyte; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("no mount here")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("on_runpod", [True, False])
def test_other_results_go_the_same_ways(tmp_path: Path, on_runpod: bool) -> None:
    path = tmp_path / "words.srt"
    path.write_bytes(b"1")
    settings = Settings(on_runpod=on_runpod, output_dir=tmp_path / "output")
    answer = deliver_result(path, "timing", "srt", job_id=JOB_ID, settings=settings, s3=None).answer()
    way = {"timing_base64": "MQ=="} if on_runpod else {"timing_path": str(tmp_path / "output" / f"{JOB_ID}.srt")}
    assert answer == {**way, "size": 1, "content_type": "application/x-subrip"}


# --------------------------------------------------------------------------------------------------------------- stored results


@pytest.mark.parametrize(
    ("kind", "result_format"), [(kind, name) for kind, formats in CONTENT_TYPES.items() for name in formats]
)
@pytest.mark.parametrize("named", [True, False])
def test_a_stored_result_is_found(
    audio_file: Path, s3_config: S3Config, kind: ResultKind, result_format: str, named: bool
) -> None:
    url = store_result(s3_config, audio_file, kind, JOB_ID, result_format)
    assert requests.get(url, timeout=60).content == AUDIO
    result = find_result(s3_config, JOB_ID, kind, result_format if named else None)
    folder = {"audio": "output", "timing": "timings"}[kind]
    assert result.key == f"{folder}/{JOB_ID}.{result_format}"
    assert (result.format, result.size, result.filename) == (result_format, len(AUDIO), f"{JOB_ID}.{result_format}")
    served = requests.get(result.url, timeout=60)
    assert served.content == AUDIO
    assert served.headers["Content-Type"] == result.content_type == CONTENT_TYPES[kind][result_format]
    assert served.headers["Content-Disposition"].endswith(f"''{result.filename}")
    assert base64.b64decode(inline_result(s3_config, result, FITS) or "") == AUDIO
    assert inline_result(s3_config, result, TOO_SMALL) is None
    other: ResultKind = "timing" if kind == "audio" else "audio"
    with pytest.raises(NotFoundError):
        find_result(s3_config, JOB_ID, other, None)


def test_without_a_format_the_first_known_one_wins(audio_file: Path, s3_config: S3Config) -> None:
    for name in ("ogg", "mp3"):
        store_result(s3_config, audio_file, "audio", JOB_ID, name)
    assert find_result(s3_config, JOB_ID, "audio", None).format == "mp3"
    assert find_result(s3_config, JOB_ID, "audio", "ogg").format == "ogg"


@pytest.mark.parametrize(("kind", "wanted", "looked_for"), [("audio", None, ", ".join(FORMATS)), ("timing", "vtt", "vtt")])
def test_a_missing_result(s3_config: S3Config, kind: ResultKind, wanted: str | None, looked_for: str) -> None:
    with pytest.raises(
        NotFoundError, match=rf"No {kind} is stored for job_id='{JOB_ID}' \(looked for {looked_for}\); check"
    ) as caught:
        find_result(s3_config, JOB_ID, kind, wanted)
    assert caught.value.details == {"field": "job_id"}


def test_a_result_that_vanishes_before_it_is_read(audio_file: Path, s3_config: S3Config) -> None:
    store_result(s3_config, audio_file, "audio", JOB_ID, "wav")
    result = find_result(s3_config, JOB_ID, "audio", None)
    s3_utils.delete(s3_config, result.key)
    with pytest.raises(StorageNotFoundError):
        inline_result(s3_config, result, FITS)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"bucket": "no-such-bucket"}, BucketNotFoundError),
        ({"secret_access_key": "wrong"}, StorageDeniedError),
        ({"endpoint_url": "http://127.0.0.1:1"}, StorageUnreachableError),
    ],
)
def test_a_store_that_fails_is_no_missing_result(s3_config: S3Config, changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        find_result(replace(s3_config, **changes), JOB_ID, "audio", None)
