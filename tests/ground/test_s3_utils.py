"""S3 calls against a real server, and every way in which they fail."""

import gc
import inspect
import re
import ssl
import string
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
import requests
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

import s3_utils
from f5_worker import s3_client, s3_errors
from f5_worker.errors import (
    BucketNotFoundError,
    JobStopped,
    StorageDeniedError,
    StorageError,
    StorageExistsError,
    StorageNotConfiguredError,
    StorageNotFoundError,
    StorageTooLargeError,
    StorageUnreachableError,
)
from f5_worker.job.context import Stop
from f5_worker.network import stopping
from f5_worker.s3_config import S3Config
from s3_utils import ObjectInfo
from tests import PATIENCE, wait_until
from tests.support.s3_server import S3Server, black_hole, cutting_proxy, refused_endpoint, stalled_reader, stalling_proxy

LARGE = 20 * 1024 * 1024  # above the threshold of multipart uploads
SECRETS = ("testsecretkey1234", "X-Amz-", "Signature=")

CALLS: dict[str, Callable[[S3Config, Path], object]] = {
    "check": lambda config, _: s3_utils.check(config),
    "put_bytes": lambda config, _: s3_utils.put_bytes(config, "key", b"data", "text/plain"),
    "put_bytes once": lambda config, _: s3_utils.put_bytes(config, "key", b"data", "text/plain", overwrite=False),
    "upload_file": lambda config, path: s3_utils.upload_file(config, path, "key", "text/plain"),
    "get_bytes": lambda config, _: s3_utils.get_bytes(config, "key", 100),
    "head": lambda config, _: s3_utils.head(config, "key"),
    "find": lambda config, _: s3_utils.find(config, "key"),
    "list_objects": lambda config, _: list(s3_utils.list_objects(config, "")),
    "delete": lambda config, _: s3_utils.delete(config, "key"),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
# For faults that cost seconds of retries: one call of each kind.
RETRIED = ("check", "upload_file", "get_bytes", "list_objects")
some_calls = pytest.mark.parametrize("call", [CALLS[name] for name in RETRIED], ids=RETRIED)


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    path = tmp_path / "small"
    path.write_bytes(b"small")
    return path


@pytest.fixture
def large_file(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * (LARGE // 256))
    return path


def assert_clean(error: StorageError, config: S3Config) -> None:
    """The message names bucket or host and a fix, holds no secret, and drags no foreign text along."""
    text = str(error.answer())
    assert config.bucket in text or s3_errors.endpoint_host(config) in text
    assert not [secret for secret in SECRETS if secret in text], text
    assert ";" in error.message
    assert error.message.endswith(".")
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


# ---------------------------------------------------------------------------------------------------------------- what works


@pytest.mark.parametrize("key", ["a.wav", "folder/a b+c&d=é/語.wav", "x" * 200])
def test_bytes_come_back_as_stored(s3_config: S3Config, key: str) -> None:
    s3_utils.put_bytes(s3_config, key, b"first", "audio/wav")
    s3_utils.put_bytes(s3_config, key, b"\0second", "audio/flac")
    assert s3_utils.get_bytes(s3_config, key, 7) == b"\0second"
    info = s3_utils.head(s3_config, key)
    assert (info.key, info.size, info.content_type) == (key, 7, "audio/flac")
    assert abs(info.last_modified.timestamp() - time.time()) < 60
    assert [(found.key, found.size) for found in s3_utils.list_objects(s3_config, "")] == [(key, 7)]
    s3_utils.delete(s3_config, key)
    s3_utils.delete(s3_config, key)
    assert s3_utils.find(s3_config, key) is None
    assert list(s3_utils.list_objects(s3_config, "")) == []


@pytest.mark.parametrize("size", [0, 1, LARGE])
def test_files_come_back_as_stored(s3_config: S3Config, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(i % 251 for i in range(1000)) * (size // 1000) + b"z" * (size % 1000))
    s3_utils.upload_file(s3_config, path, "output/file", "audio/mpeg")
    assert s3_utils.get_bytes(s3_config, "output/file", size) == path.read_bytes()
    assert s3_utils.head(s3_config, "output/file").content_type == "audio/mpeg"
    assert list(tmp_path.iterdir()) == [path]


def test_a_local_file_that_is_missing_is_no_storage_error(s3_config: S3Config, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        s3_utils.upload_file(s3_config, tmp_path / "none", "key", "text/plain")


def test_the_size_limit_of_reading_is_exact(s3_config: S3Config) -> None:
    s3_utils.put_bytes(s3_config, "key", b"12345", "text/plain")
    assert s3_utils.get_bytes(s3_config, "key", 5) == b"12345"
    with pytest.raises(StorageTooLargeError) as caught:
        s3_utils.get_bytes(s3_config, "key", 4)
    assert caught.value.details == {"size": 5, "limit": 4}


def test_put_that_may_not_overwrite_is_decided_by_the_server(s3_config: S3Config) -> None:
    def write(number: int) -> bool:
        try:
            s3_utils.put_bytes(s3_config, "key", b"%d" % number, "text/plain", overwrite=False)
        except StorageExistsError as error:
            assert_clean(error, s3_config)
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(8)))
    assert won.count(True) == 1
    assert s3_utils.get_bytes(s3_config, "key", 9) == b"%d" % won.index(True)


def test_listing_reads_every_page_and_only_its_prefix(s3_config: S3Config) -> None:
    keys = [f"many/{number:04}" for number in range(1_001)]
    with ThreadPoolExecutor(s3_client.PARALLEL_CALLS) as pool:
        list(
            pool.map(
                lambda key: s3_utils.put_bytes(s3_config, key, b"x", "text/plain"), [*keys, "many", "manyother", "other/1"]
            )
        )
    assert [info.key for info in s3_utils.list_objects(s3_config, "many/")] == keys
    assert len(list(s3_utils.list_objects(s3_config, ""))) == 1_004


@pytest.mark.parametrize("prefix", ["", "one", "deep/er"])
def test_the_prefix_is_part_of_every_key(s3_server: S3Server, small_file: Path, prefix: str) -> None:
    name = uuid.uuid4().hex
    config, root = s3_server.config(prefix=prefix), s3_server.config()
    full = f"{prefix}/{name}" if prefix else name
    s3_utils.put_bytes(config, name, b"x", "text/plain")
    assert s3_utils.get_bytes(root, full, 1) == b"x"
    assert s3_utils.head(config, name).key == name
    assert [info.key for info in s3_utils.list_objects(config, name)] == [name]
    assert requests.get(s3_utils.presign(config, name), timeout=60).content == b"x"
    s3_utils.delete(config, name)
    assert s3_utils.find(root, full) is None
    s3_utils.upload_file(config, small_file, name, "text/plain")
    assert s3_utils.get_bytes(root, full, 10) == b"small"
    s3_utils.delete(root, full)
    assert s3_utils.find(config, name) is None


def test_presigned_urls_serve_anyone_until_they_expire(s3_config: S3Config) -> None:
    s3_utils.put_bytes(s3_config, "output/é.wav", b"RIFF", "audio/wav")
    url = s3_utils.presign(s3_config, "output/é.wav")
    answer = requests.get(url, timeout=60)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, b"RIFF", "audio/wav")
    assert "Content-Disposition" not in answer.headers
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url
    named = requests.get(s3_utils.presign(s3_config, "output/é.wav", filename='a "b".wav'), timeout=60)
    assert named.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%20%22b%22.wav"
    assert requests.get(url.split("?")[0], timeout=60).status_code in (400, 403)
    brief = s3_utils.presign(replace(s3_config, url_expires=1), "output/é.wav")
    wait_until(lambda: requests.get(brief, timeout=60).status_code == 403)
    assert requests.get(url, timeout=60).status_code == 200


# -------------------------------------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({}, "https://own-bucket.s3.amazonaws.com/key?"),
        ({"region": "eu-west-1"}, "https://own-bucket.s3.eu-west-1.amazonaws.com/key?"),
        ({"region": "eu-west-1", "path_style": "true"}, "https://s3.eu-west-1.amazonaws.com/own-bucket/key?"),
        ({"region": "eu-west-1", "bucket": "dotted.bucket"}, "https://s3.eu-west-1.amazonaws.com/dotted.bucket/key?"),
        ({"endpoint_url": "https://s3.eu-west-3.amazonaws.com"}, "https://own-bucket.s3.eu-west-3.amazonaws.com/key?"),
        ({"endpoint_url": "https://s3.us-west-004.backblazeb2.com"}, "https://s3.us-west-004.backblazeb2.com/own-bucket/key?"),
        ({"endpoint_url": "http://minio:9000"}, "http://minio:9000/own-bucket/key?"),
        ({"endpoint_url": "http://minio:9000", "path_style": "false"}, "http://own-bucket.minio:9000/key?"),
    ],
)
def test_addresses(changes: dict[str, Any], start: str) -> None:
    url = s3_utils.presign(
        S3Config(**{"bucket": "own-bucket", "access_key_id": "A", "secret_access_key": "B"} | changes), "key"
    )
    assert url.startswith(start)


@pytest.mark.parametrize(
    ("region", "endpoint", "expected"),
    [
        (None, None, "us-east-1"),
        ("eu-west-1", None, "eu-west-1"),
        (None, "https://s3.eu-west-3.amazonaws.com", "eu-west-3"),
        ("eu-west-1", "https://s3.eu-west-3.amazonaws.com", "eu-west-1"),
        (None, "https://s3.us-west-004.backblazeb2.com", "us-west-004"),
        (None, "https://s3.fr-par.scw.cloud", "fr-par"),
        (None, "https://s3.my-company.example", "us-east-1"),
        (None, "https://minio:9000", "us-east-1"),
    ],
)
def test_the_region_that_is_signed_for(region: str | None, endpoint: str | None, expected: str) -> None:
    config = S3Config("own-bucket", access_key_id="A", secret_access_key="B", region=region, endpoint_url=endpoint)
    assert f"%2F{expected}%2Fs3%2Faws4_request" in s3_utils.presign(config, "key")


def test_the_environment_does_not_reach_into_a_jobs_own_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://other.example",
        "AWS_ENDPOINT_URL_S3": "http://other.example",
        "AWS_SESSION_TOKEN": "other-token",
        "AWS_ACCESS_KEY_ID": "other-key",
        "AWS_SECRET_ACCESS_KEY": "other-secret",
        "AWS_DEFAULT_REGION": "eu-north-1",
    }.items():
        monkeypatch.setenv(name, value)
    url = s3_utils.presign(S3Config("jobs-bucket", access_key_id="JOBS", secret_access_key="jobs"), "key")
    assert url.startswith("https://jobs-bucket.s3.amazonaws.com/key?")
    assert "Credential=JOBS%2F" in url
    assert "Token" not in url
    assert "us-east-1" in url


def test_one_client_per_configuration_also_from_many_threads(s3_config: S3Config) -> None:
    s3_client._make_client.cache_clear()
    gate = threading.Barrier(8)

    def call(_: int) -> None:
        gate.wait()
        assert s3_utils.find(s3_config, "none") is None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(8)))
    assert s3_client._make_client.cache_info().misses == 1
    for number in range(20):
        s3_utils.presign(replace(s3_config, prefix=f"p{number}", bucket=f"bucket{number}", url_expires=60 + number), "key")
    assert s3_client._make_client.cache_info().misses == 1
    s3_utils.presign(replace(s3_config, secret_access_key="other"), "key")
    assert s3_client._make_client.cache_info().misses == 2
    assert s3_client._make_client.cache_info().maxsize is not None


def test_importing_loads_no_boto3() -> None:
    heavy = {"boto3", "botocore", "s3transfer", "torch", "numpy", "soundfile", "f5_tts", "transformers", "av"}

    def loaded_by(imports: str) -> set[str]:
        program = f"import {imports}, sys; print(*({heavy!r} & set(sys.modules)))"
        return set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split())

    assert loaded_by("s3_utils") == set()
    # The SDK, whose logger f5_worker.log uses, brings boto3 by itself.
    assert loaded_by("f5_worker.voice.store, f5_worker.delivery.deliver") == loaded_by("f5_worker.log")


def test_without_boto3_the_error_names_it(monkeypatch: pytest.MonkeyPatch, s3_config: S3Config) -> None:
    monkeypatch.setitem(sys.modules, "boto3.exceptions", None)
    with pytest.raises(StorageError, match=r"package boto3.*install requirements\.txt"):
        s3_utils.check(s3_config)


# --------------------------------------------------------------------------------------------------------------------- faults


@every_call
def test_missing_bucket(s3_server: S3Server, small_file: Path, call: Callable[[S3Config, Path], object]) -> None:
    config = s3_server.config(bucket="no-such-bucket")
    with pytest.raises(BucketNotFoundError, match=r"127\.0\.0\.1:\d+ has no bucket 'no-such-bucket'; .*S3_BUCKET") as caught:
        call(config, small_file)
    assert_clean(caught.value, config)


@every_call
@pytest.mark.parametrize("changes", [{"secret_access_key": "wrong"}, {"access_key_id": "nobody"}], ids=["secret", "key"])
def test_wrong_credentials(
    s3_server: S3Server, small_file: Path, changes: dict[str, str], call: Callable[[S3Config, Path], object]
) -> None:
    config = s3_server.config(**changes)
    with pytest.raises(StorageDeniedError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") as caught:
        call(config, small_file)
    assert_clean(caught.value, config)


def test_missing_permission(s3_server: S3Server, s3_config: S3Config, small_file: Path) -> None:
    reader = s3_server.reader(prefix=s3_config.prefix)
    s3_utils.put_bytes(s3_config, "key", b"x", "text/plain")
    s3_utils.check(reader)
    assert s3_utils.get_bytes(reader, "key", 1) == b"x"
    for name in ("put_bytes", "put_bytes once", "upload_file", "delete"):
        with pytest.raises(StorageDeniedError, match=r"denies access to 'test-\w+/key' in .*; allow .* s3:PutObject") as caught:
            CALLS[name](reader, small_file)
        assert_clean(caught.value, reader)
    assert s3_utils.get_bytes(s3_config, "key", 1) == b"x"


def test_missing_key(s3_config: S3Config) -> None:
    for call in (lambda: s3_utils.head(s3_config, "none"), lambda: s3_utils.get_bytes(s3_config, "none", 1)):
        with pytest.raises(StorageNotFoundError, match=r"There is no 'test-.*/none' in the bucket 'voicebox'") as caught:
            call()
        assert type(caught.value) is StorageNotFoundError
        assert_clean(caught.value, s3_config)


@some_calls
def test_refused_connection(small_file: Path, s3_config: S3Config, call: Callable[[S3Config, Path], object]) -> None:
    config = replace(s3_config, endpoint_url=refused_endpoint())
    with pytest.raises(StorageUnreachableError, match=r"S3 at 127\.0\.0\.1:\d+ cannot be reached .*AWS_ENDPOINT_URL") as caught:
        call(config, small_file)
    assert_clean(caught.value, config)


@some_calls
def test_server_that_never_answers(small_file: Path, s3_config: S3Config, call: Callable[[S3Config, Path], object]) -> None:
    with black_hole() as endpoint:
        config = replace(s3_config, endpoint_url=endpoint, timeout=0.2)
        with pytest.raises(StorageUnreachableError, match=r"does not answer within 0\.2 s .*S3_TIMEOUT") as caught:
            call(config, small_file)
        assert_clean(caught.value, config)


def test_check_does_not_retry(s3_server: S3Server, s3_config: S3Config) -> None:
    with cutting_proxy(s3_server.port, received=1, times=1) as endpoint:
        config = replace(s3_config, endpoint_url=endpoint)
        with pytest.raises(StorageUnreachableError):
            s3_utils.check(config)
        s3_utils.check(config)  # so a second attempt would have succeeded


def test_server_that_stops_reading_in_mid_upload(large_file: Path, s3_config: S3Config) -> None:
    with stalled_reader() as endpoint:
        config = replace(s3_config, endpoint_url=endpoint, timeout=0.3)
        with pytest.raises(StorageUnreachableError) as caught:
            s3_utils.put_bytes(config, "key", large_file.read_bytes(), "audio/wav")
        assert_clean(caught.value, config)


@pytest.mark.parametrize("sent", [3 * 1024 * 1024, 500])
def test_connection_that_always_breaks_in_mid_upload(
    s3_server: S3Server, s3_config: S3Config, large_file: Path, sent: int
) -> None:
    with cutting_proxy(s3_server.port, sent=sent) as endpoint:
        config = replace(s3_config, endpoint_url=endpoint)
        with pytest.raises(StorageUnreachableError) as caught:
            s3_utils.upload_file(config, large_file, "key", "audio/wav")
        assert_clean(caught.value, config)
        assert "large" not in caught.value.message
    assert s3_utils.find(s3_config, "key") is None


@pytest.mark.filterwarnings("ignore:unclosed file")  # of parts that boto3 had not begun with
def test_a_stop_takes_a_large_upload_back(s3_server: S3Server, s3_config: S3Config, large_file: Path) -> None:
    stop, ends = Stop(), list[BaseException]()

    def upload() -> None:
        stopping.set(stop)
        try:
            s3_utils.upload_file(replace(s3_config, endpoint_url=endpoint), large_file, "key", "audio/wav")
        except BaseException as error:  # noqa: BLE001 - told to the test
            ends.append(error)

    with stalling_proxy(s3_server.port, 2**20) as (endpoint, under_way, go_on):
        thread = threading.Thread(target=upload)
        thread.start()
        assert under_way.wait(PATIENCE)
        stop.set()
        thread.join(PATIENCE)
        assert [type(end) for end in ends] == [JobStopped]  # while the server still waits for the rest
        go_on.set()
        own = ("network", "ThreadPoolExecutor")
        wait_until(lambda: not any(each.name.startswith(own) for each in threading.enumerate()))
    assert s3_utils.find(s3_config, "key") is None
    client = s3_client.client_for(s3_config, 1)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=s3_config.bucket, Prefix=s3_config.prefix)
    ends.clear()  # whose traceback has the call
    gc.collect()


def test_upload_survives_connections_that_break_now_and_then(
    s3_server: S3Server, s3_config: S3Config, large_file: Path
) -> None:
    with cutting_proxy(s3_server.port, sent=3 * 1024 * 1024, times=2) as endpoint:
        s3_utils.upload_file(replace(s3_config, endpoint_url=endpoint), large_file, "key", "audio/wav")
    assert s3_utils.get_bytes(s3_config, "key", LARGE) == large_file.read_bytes()


def test_download_survives_connections_that_break_now_and_then(
    s3_server: S3Server, s3_config: S3Config, large_file: Path
) -> None:
    s3_utils.upload_file(s3_config, large_file, "key", "audio/wav")
    with cutting_proxy(s3_server.port, received=3 * 1024 * 1024, times=2) as endpoint:
        assert s3_utils.get_bytes(replace(s3_config, endpoint_url=endpoint), "key", LARGE) == large_file.read_bytes()
    with cutting_proxy(s3_server.port, received=3 * 1024 * 1024) as endpoint:
        config = replace(s3_config, endpoint_url=endpoint)
        with pytest.raises(StorageUnreachableError, match=r"keeps breaking off for 'test-\w+/key'") as caught:
            s3_utils.get_bytes(config, "key", LARGE)
        assert_clean(caught.value, config)


class _WebPage(BaseHTTPRequestHandler):
    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        page = b"<html><body>Welcome<br></body></html>"
        self.send_response(405 if self.command == "PUT" else 200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited signature
        pass


@pytest.fixture
def web_page() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _WebPage) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["check", "put_bytes", "upload_file", "head", "list_objects"])
def test_web_page_in_place_of_s3(web_page: str, s3_config: S3Config, small_file: Path, name: str) -> None:
    config = replace(s3_config, endpoint_url=web_page)
    with pytest.raises(StorageError) as caught:
        CALLS[name](config, small_file)
    assert_clean(caught.value, config)
    assert "Welcome" not in caught.value.message


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint_url": "http://"},
        {"endpoint_url": "http://[::1"},
        {"endpoint_url": "http://exa mple"},
        {"endpoint_url": "http://host:99999"},
        {"endpoint_url": "ftp://host"},
        {"region": "EU ROPE"},
        {"bucket": ""},
        {"bucket": "no/bucket"},
        {"access_key_id": "test\naccess"},
        {"session_token": "to\nken"},
    ],
    ids=str,
)
def test_settings_that_cannot_work(s3_server: S3Server, small_file: Path, changes: dict[str, str]) -> None:
    config = s3_server.config(**changes)
    for name in ("check", "upload_file"):
        with pytest.raises(StorageError) as caught:
            CALLS[name](config, small_file)
        assert_clean(caught.value, config)
        assert not [value for value in ("test\naccess", "to\nken") if value in caught.value.message]


@pytest.mark.parametrize("access_key_id", [None, "only-a-key"])
def test_missing_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, access_key_id: str | None) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    config = S3Config("own-bucket", endpoint_url=refused_endpoint(), access_key_id=access_key_id)
    for call in (lambda: s3_utils.check(config), lambda: s3_utils.presign(config, "key")):
        with pytest.raises(
            StorageNotConfiguredError, match=r"No S3 credentials .* 'own-bucket' .*; set AWS_ACCESS_KEY_ID"
        ) as caught:
            call()
        assert_clean(caught.value, config)


def test_host_and_messages_leave_out_user_password_and_query() -> None:
    config = S3Config("b", endpoint_url="https://user:testsecretkey1234@s3.example:9000/path?X-Amz-Signature=1")
    assert s3_errors.endpoint_host(config) == "s3.example:9000"
    for fault in (value for value in vars(s3_errors).values() if isinstance(value, s3_errors.Fault)):
        for key in (None, "voices/{0}{host}%s.wav"):
            assert_clean(_raised(s3_errors.storage_error(fault, "Cause", config, key)), config)


def _raised(error: StorageError) -> StorageError:
    try:
        raise error from None
    except StorageError as caught:
        return caught


# ------------------------------------------------------------------------------------------------ the map of foreign exceptions

# What has no better home than the plain StorageError: what the worker does not use, and botocore's own faults.
FALLS_THROUGH = {
    "BotoCoreError",
    "DataNotFoundError",
    "UnknownServiceError",
    "ApiVersionNotFoundError",
    "UnknownTokenProviderError",
    "ServiceNotInRegionError",
    "MissingParametersError",
    "UnknownServiceStyle",
    "PaginationError",
    "OperationNotPageableError",
    "UnseekableStreamError",
    "WaiterError",
    "InvalidExpressionError",
    "WaiterConfigError",
    "UnknownClientMethodError",
    "UnsupportedS3ControlArnError",
    "UnsupportedOutpostResourceError",
    "InvalidEndpointDiscoveryConfigurationError",
    "UnsupportedS3ControlConfigurationError",
    "StubResponseError",
    "StubAssertionError",
    "UnStubbedResponseError",
    "RefreshWithMFAUnsupportedError",
    "MD5UnavailableError",
    "MissingDependencyException",
    "AwsChunkedWrapperError",
    "UnsupportedServiceProtocolsError",
}
FOREIGN = [
    cls
    for cls in vars(botocore.exceptions).values()
    if inspect.isclass(cls) and issubclass(cls, BotoCoreError) and cls.__module__ == "botocore.exceptions"
]
POISON = "testsecretkey1234 https://u:p@host/?X-Amz-Signature=abc"


def _make(cls: type[Exception]) -> Exception:
    fields = {name for _, name, _, _ in string.Formatter().parse(getattr(cls, "fmt", "")) if name}
    fields |= {
        name
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    } - {"self"}
    return cls(**dict.fromkeys(fields, POISON))


@pytest.mark.parametrize("cls", FOREIGN, ids=lambda cls: cls.__name__)
def test_every_botocore_exception_is_mapped(cls: type[Exception], s3_config: S3Config) -> None:
    with pytest.raises(StorageError) as caught, s3_utils._storage_errors(s3_config, "key"):
        raise _make(cls)
    assert_clean(caught.value, s3_config)
    assert caught.value.details["storage_cause"] == cls.__name__
    assert (" failed (" in caught.value.message) == (cls.__name__ in FALLS_THROUGH)
    if cls.__name__ in FALLS_THROUGH:
        assert type(caught.value) is StorageError


def test_a_certificate_that_python_itself_refuses_is_no_wrong_setting(s3_config: S3Config) -> None:
    with pytest.raises(StorageError, match="No trusted TLS connection") as caught, s3_utils._storage_errors(s3_config, "key"):
        raise ssl.SSLCertVerificationError(POISON)
    assert_clean(caught.value, s3_config)


def test_the_list_of_those_that_fall_through_is_current() -> None:
    assert {cls.__name__ for cls in FOREIGN} >= FALLS_THROUGH


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NoSuchKey", StorageNotFoundError),
        (404, "404", StorageNotFoundError),
        (404, "", StorageNotFoundError),
        (404, "NoSuchBucket", BucketNotFoundError),
        (403, "AccessDenied", StorageDeniedError),
        (403, "AllAccessDisabled", StorageDeniedError),
        (403, "403", StorageDeniedError),
        (403, "", StorageDeniedError),
        (401, "Unauthorized", StorageDeniedError),
        (403, "SignatureDoesNotMatch", StorageDeniedError),
        (403, "InvalidAccessKeyId", StorageDeniedError),
        (400, "ExpiredToken", StorageDeniedError),
        (403, "RequestTimeTooSkewed", StorageDeniedError),
        (412, "PreconditionFailed", StorageExistsError),
        (409, "ConditionalRequestConflict", StorageExistsError),
        (503, "SlowDown", StorageUnreachableError),
        (500, "InternalError", StorageUnreachableError),
        (502, "502", StorageUnreachableError),
        (429, "", StorageUnreachableError),
        (400, "RequestTimeout", StorageUnreachableError),
        (301, "PermanentRedirect", StorageError),
        (400, "AuthorizationHeaderMalformed", StorageError),
        (400, "400", StorageError),
        (501, "NotImplemented", StorageError),
        (507, "XMinioStorageFull", StorageError),
        (418, "Teapot", StorageError),
        (403, "Bad <script> {host} Code", StorageDeniedError),
    ],
)
def test_every_answer_of_the_server_is_mapped(status: int, code: str, kind: type[StorageError], s3_config: S3Config) -> None:
    answer: Any = {"Error": {"Code": code, "Message": POISON}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(StorageError) as plain, s3_utils._storage_errors(s3_config, "key"):
        raise ClientError(answer, "PutObject")
    failed = S3UploadFailedError(f"Failed to upload {POISON}")
    failed.__context__ = ClientError(answer, "UploadPart")
    with pytest.raises(StorageError) as wrapped, s3_utils._storage_errors(s3_config, "key"):
        raise failed
    for caught in (plain, wrapped):
        assert type(caught.value) is kind
        assert_clean(caught.value, s3_config)
        assert re.fullmatch(r"[A-Za-z0-9 ]+", caught.value.details["storage_cause"])
        assert str(status) in caught.value.details["storage_cause"]


def test_an_answer_without_status_or_code_is_mapped_too(s3_config: S3Config) -> None:
    empty: Any = {}
    with pytest.raises(StorageError), s3_utils._storage_errors(s3_config, "key"):
        raise ClientError(empty, "PutObject")


def test_a_key_that_is_too_long(s3_config: S3Config) -> None:
    with pytest.raises(StorageError, match=r"too long .*; choose a shorter one") as caught:
        s3_utils.put_bytes(s3_config, "x" * 2_000, b"x", "text/plain")
    assert_clean(caught.value, s3_config)


def test_object_info_of_a_listing_has_no_content_type(s3_config: S3Config) -> None:
    s3_utils.put_bytes(s3_config, "key", b"x", "audio/wav")
    (info,) = s3_utils.list_objects(s3_config, "k")
    assert info == ObjectInfo("key", 1, info.last_modified, None)
