"""Every environment variable the worker reads: read once, checked, with its default in one place."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

from f5_worker.errors import InputError, SettingsError

ModelLoading = Literal["lazy", "background"]
Device = Literal["auto", "cpu", "cuda"]
PathStyle = Literal["auto", "true", "false"]
T = TypeVar("T")

_AWS_HOST = re.compile(r"^(?:(?P<bucket>[a-z0-9][a-z0-9.-]+)\.)?s3[.-](?:[a-z0-9-]+\.)?amazonaws\.com(?:\.cn)?$")


@dataclass(frozen=True, slots=True)
class S3Config:
    """Where results and voices are stored. Equal configurations share one client."""

    bucket: str
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint_url: str | None = None
    prefix: str = ""
    url_expires: int = 3600
    path_style: PathStyle = "auto"
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked environment. Sizes are bytes, times are seconds."""

    model: str = "F5TTS_v1_Base"
    ckpt_file: str | None = None
    vocab_file: str | None = None
    vocoder_path: str | None = None
    asr_model: str = "openai/whisper-large-v3-turbo"
    device: Device = "auto"
    model_loading: ModelLoading = "lazy"
    model_retry_seconds: float = 30.0
    network_volume: Path = Path("/runpod-volume")
    output_dir: Path = Path("output")
    max_text_chars: int = 20_000
    max_reference_bytes: int = 20 * 1024 * 1024
    max_inline_bytes: int = 7_000_000
    reference_cache_items: int = 32
    download_timeout: float = 20.0
    s3: S3Config | None = None
    on_runpod: bool = False


class _Reader:
    """Reads typed variables from a mapping and collects every problem, so that one answer names them all."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def text(self, *names: str) -> str | None:
        for name in names:
            value = self._environment.get(name, "").strip()
            if value:
                return value
        return None

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(name)
        if value is None or value.lower() in allowed:
            return (value or default).lower()
        self.problems.append(f"{name}={value!r} is not allowed; use one of {', '.join(allowed)}")
        return default

    def number(self, name: str, kind: Callable[[str], T], low: float, high: float, default: T) -> T:
        raw = self.text(name)
        if raw is None:
            return default
        try:
            value = kind(raw)
        except ValueError:
            self.problems.append(f"{name}={raw!r} is not a number; use {low:g} to {high:g}")
            return default
        if not low <= cast(float, value) <= high:
            self.problems.append(f"{name}={raw!r} is out of range; use {low:g} to {high:g}")
            return default
        return value

    def url(self, *names: str) -> str | None:
        value = self.text(*names)
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            self.problems.append(f"{names[0]} is not a URL; use one like https://s3.eu-central-1.amazonaws.com")
            return None
        return value.rstrip("/")


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check the environment (``os.environ`` by default).

    Raises:
        SettingsError: with every problem found, one sentence each, in ``details["problems"]``.
    """
    env = os.environ if environment is None else environment
    read = _Reader(env)
    default = Settings()
    settings = Settings(
        model=read.text("F5TTS_MODEL") or default.model,
        ckpt_file=read.text("F5TTS_CKPT_FILE"),
        vocab_file=read.text("F5TTS_VOCAB_FILE"),
        vocoder_path=read.text("F5TTS_VOCODER_PATH"),
        asr_model=read.text("ASR_MODEL") or default.asr_model,
        device=cast(Device, read.choice("F5TTS_DEVICE", ("auto", "cpu", "cuda"), default.device)),
        model_loading=cast(ModelLoading, read.choice("MODEL_LOADING", ("lazy", "background"), default.model_loading)),
        model_retry_seconds=read.number("MODEL_RETRY_SECONDS", float, 0, 3600, default.model_retry_seconds),
        network_volume=Path(read.text("NETWORK_VOLUME") or default.network_volume),
        output_dir=Path(read.text("OUTPUT_DIR") or default.output_dir),
        max_text_chars=read.number("MAX_TEXT_CHARS", int, 1, 1_000_000, default.max_text_chars),
        max_reference_bytes=read.number("MAX_REFERENCE_BYTES", int, 1_000, 2**30, default.max_reference_bytes),
        max_inline_bytes=read.number("MAX_INLINE_BYTES", int, 0, 14_000_000, default.max_inline_bytes),
        reference_cache_items=read.number("REFERENCE_CACHE_ITEMS", int, 0, 10_000, default.reference_cache_items),
        download_timeout=read.number("DOWNLOAD_TIMEOUT", float, 1, 600, default.download_timeout),
        s3=_s3(read),
        on_runpod=any(name in env for name in ("RUNPOD_WEBHOOK_GET_JOB", "RUNPOD_ENDPOINT_ID", "RUNPOD_REALTIME_PORT")),
    )
    if read.problems:
        raise SettingsError(
            f"This endpoint's settings cannot work: {'; '.join(read.problems)}. Mend them in its environment variables.",
            problems=read.problems,
        )
    return settings


def _s3(read: _Reader) -> S3Config | None:
    bucket = read.text("S3_BUCKET")
    common: dict[str, Any] = {
        "region": read.text("AWS_REGION", "AWS_DEFAULT_REGION"),
        "prefix": (read.text("S3_PREFIX") or "").strip("/"),
        "url_expires": read.number("S3_URL_EXPIRES", int, 1, 604_800, 3600),
        "path_style": read.choice("S3_PATH_STYLE", ("auto", "true", "false"), "auto"),
        "timeout": read.number("S3_TIMEOUT", float, 1, 600, 30.0),
    }
    key, secret = read.text("AWS_ACCESS_KEY_ID"), read.text("AWS_SECRET_ACCESS_KEY")
    token, endpoint = read.text("AWS_SESSION_TOKEN"), read.url("AWS_ENDPOINT_URL")
    runpod_key, runpod_secret = read.text("BUCKET_ACCESS_KEY_ID"), read.text("BUCKET_SECRET_ACCESS_KEY")
    if not (key and secret) and runpod_key and runpod_secret:
        key, secret, token = runpod_key, runpod_secret, None
        if runpod_endpoint := read.url("BUCKET_ENDPOINT_URL"):
            endpoint, bucket_in_url = split_bucket_url(runpod_endpoint)
            bucket = bucket or bucket_in_url
            if bucket is None:
                read.problems.append("BUCKET_ENDPOINT_URL names no bucket and S3_BUCKET is not set; set S3_BUCKET")
    if bucket is None:
        return None
    return S3Config(
        bucket=bucket, access_key_id=key, secret_access_key=secret, session_token=token, endpoint_url=endpoint, **common
    )


def split_bucket_url(url: str) -> tuple[str | None, str | None]:
    """Split RunPod's ``BUCKET_ENDPOINT_URL`` into (endpoint, bucket).

    The bucket may stand before the S3 host (``https://BUCKET.s3.eu-west-1.amazonaws.com``) or as the path
    (``https://host/BUCKET``); it is ``None`` where the URL holds none.
    """
    parts = urlsplit(url)
    path = parts.path.strip("/")
    match = _AWS_HOST.match(parts.hostname or "")
    if match and match["bucket"]:
        host = parts.netloc.removeprefix(match["bucket"] + ".")
        return f"{parts.scheme}://{host}", match["bucket"]
    return f"{parts.scheme}://{parts.netloc}", path.split("/")[0] or None


def s3_from_job(raw: object, base: S3Config | None) -> S3Config | None:
    """The S3 configuration of one job: its top-level ``s3Config`` where it has one, else the endpoint's (``base``).

    Raises:
        InputError: when ``s3Config`` is there but incomplete or malformed.
    """
    if raw is None:
        return base
    names = ("accessId", "accessSecret", "bucketName", "endpointUrl")
    hint = "s3Config needs accessId, accessSecret, bucketName and, for other services than AWS, endpointUrl, all as text"
    if not isinstance(raw, Mapping):
        raise InputError(f"s3Config is not an object; {hint}.", field="s3Config")
    for name, value in raw.items():
        if name not in names or not isinstance(value, str):
            raise InputError(f"s3Config.{name} is not accepted; {hint}.", field=f"s3Config.{name}")
    values = {name: str(raw.get(name, "")).strip() for name in names}
    for name in names[:3]:
        if not values[name]:
            raise InputError(f"s3Config.{name} is missing; {hint}.", field=f"s3Config.{name}")
    endpoint = values["endpointUrl"] or None
    if endpoint and urlsplit(endpoint).scheme not in ("http", "https"):
        raise InputError(
            "s3Config.endpointUrl is not a URL; use one like https://s3.example.com.", field="s3Config.endpointUrl"
        )
    same_service = base if base is not None else S3Config(bucket=values["bucketName"])
    return S3Config(
        bucket=values["bucketName"],
        access_key_id=values["accessId"],
        secret_access_key=values["accessSecret"],
        region=same_service.region,
        endpoint_url=endpoint.rstrip("/") if endpoint else None,
        prefix=same_service.prefix,
        url_expires=same_service.url_expires,
        path_style=same_service.path_style,
        timeout=same_service.timeout,
    )
