"""Every environment variable the worker reads: read once, checked, with its default in one place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from f5_worker.errors import SettingsError
from f5_worker.names import wrong_with
from f5_worker.s3_config import BUCKET_NAME_ALLOWED, S3Config, at_service, is_bucket_name, split_bucket_url
from f5_worker.urls import host_of, service_url

ModelLoading = Literal["lazy", "background"]
Device = Literal["auto", "cpu", "cuda"]
N = TypeVar("N", int, float)

_SHOWN_CHARS = 40  # of a bad value
_BAKED_MODEL = ("f5-tts-worker", "model")  # the folder in F5_IMAGE_ROOT where start.sh finds the image's model


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """Those of the HTTP front, which hold whatever is wrong with the others. On ``port_health`` there is ``/ping`` alone."""

    host: str = "127.0.0.1"
    port: int = 8_000
    port_health: int | None = None
    api_key: str | None = field(default=None, repr=False)
    cors_origins: tuple[str, ...] = ()

    def at(self, host: str | None, port: int | None) -> "FrontSettings":
        """With the host and the port that are given."""
        return replace(self, host=host or self.host, port=port or self.port)


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked environment. Sizes are bytes, times are seconds."""

    model: str = "F5TTS_v1_Base"
    model_chosen: bool = False
    """Whether the user has set the model; start.sh sets the one in the image where nobody has."""
    ckpt_file: str | None = None
    vocab_file: str | None = None
    vocoder_path: str | None = None
    asr_model: str = "openai/whisper-large-v3-turbo"
    device: Device = "auto"
    streaming: bool = False
    max_concurrency: int = 1
    model_loading: ModelLoading = "lazy"
    model_retry_seconds: float = 30.0
    network_volume: Path = Path("/runpod-volume")
    default_voice: str | None = None
    output_dir: Path = Path("output")
    max_text_chars: int = 20_000
    max_items: int = 100
    max_reference_bytes: int = 20 * 1024 * 1024
    max_inline_bytes: int = 7_000_000
    max_audio_minutes: float = 60.0
    reference_cache_items: int = 32
    download_timeout: float = 20.0
    s3: S3Config | None = None
    on_runpod: bool = False
    on_pod: bool = False
    keep_local: bool = False
    """Results stay here, whatever bucket there is; no variable sets it, but the command line (cli/run.py)."""
    served: bool = False
    """Whoever asks is elsewhere, so that a path on this machine is no answer; the HTTP front sets it."""
    parts_only: bool = False
    """Of a stream the parts are all that is wanted: no file is made; the HTTP front sets it."""
    front: FrontSettings = FrontSettings()

    @property
    def demo_stands_in(self) -> bool:
        """Whether the demo model speaks where the hub cannot be reached: on local runs, never on a machine of RunPod's."""
        return not (self.on_runpod or self.on_pod)

    @property
    def asked_from_afar(self) -> bool:
        """Whether results go out inside answers, where no bucket takes them, and not as files of this machine."""
        return self.on_runpod or self.served


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
        self.problems.append(f"{name}={value[:_SHOWN_CHARS]!r} is not allowed; use one of {', '.join(allowed)}")
        return default

    def number(self, name: str, kind: type[N], low: N, high: N, default: N) -> N:
        raw = self.text(name)
        if raw is None:
            return default
        try:
            value = kind(raw)
        except ValueError:
            wrong = "not a whole number" if kind is int else "not a number"
        else:
            if low <= value <= high:
                return value
            wrong = "out of range"
        self.problems.append(f"{name}={raw[:_SHOWN_CHARS]!r} is {wrong}; use {low} to {high}")
        return default

    def url(self, name: str) -> str | None:
        value = self.text(name)
        if value is None:
            return None
        if (url := service_url(value)) is None:
            self.problems.append(f"{name} is not the URL of a service; use one like https://s3.eu-central-1.amazonaws.com")
        return url

    def voice(self, name: str) -> str | None:
        value = self.text(name)
        if value is None:
            return None
        wrong = wrong_with(value) if "://" not in value else None if host_of(value) else "is not an http(s) URL"
        if wrong:
            self.problems.append(f"{name} {wrong}; use the name of a stored voice, like anna.wav, or an http(s) URL")
        return value

    def pair(self, *names: str) -> tuple[str, str] | None:
        """Two variables that are worth nothing alone: both values, or ``None``."""
        first, second = (self.text(name) for name in names)
        if first and second:
            return first, second
        if first or second:
            self.problems.append(f"only one of {' and '.join(names)} is set; set both or neither")
        return None


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check the environment (``os.environ`` by default).

    Raises:
        SettingsError: with every problem found, one sentence each, in ``details["problems"]``.
    """
    env = os.environ if environment is None else environment
    read = _Reader(env)
    default = Settings()
    settings = Settings(
        model=(model := read.text("F5TTS_MODEL")) or default.model,
        model_chosen=model is not None and Path(model).parts[-2:] != _BAKED_MODEL,
        ckpt_file=read.text("F5TTS_CKPT_FILE"),
        vocab_file=read.text("F5TTS_VOCAB_FILE"),
        vocoder_path=read.text("F5TTS_VOCODER_PATH"),
        asr_model=read.text("ASR_MODEL") or default.asr_model,
        device=cast(Device, read.choice("F5TTS_DEVICE", ("auto", "cpu", "cuda"), default.device)),
        model_loading=cast(ModelLoading, read.choice("MODEL_LOADING", ("lazy", "background"), default.model_loading)),
        streaming=read.choice("STREAMING", ("true", "false"), "false") == "true",
        max_concurrency=read.number("MAX_CONCURRENCY", int, 1, 64, default.max_concurrency),
        model_retry_seconds=read.number("MODEL_RETRY_SECONDS", float, 0, 3600, default.model_retry_seconds),
        network_volume=Path(read.text("NETWORK_VOLUME") or default.network_volume),
        default_voice=read.voice("DEFAULT_VOICE"),
        output_dir=Path(read.text("OUTPUT_DIR") or default.output_dir),
        max_text_chars=read.number("MAX_TEXT_CHARS", int, 1, 1_000_000, default.max_text_chars),
        max_items=read.number("MAX_ITEMS", int, 1, 1_000, default.max_items),
        max_reference_bytes=read.number("MAX_REFERENCE_BYTES", int, 1_000, 1_000_000_000, default.max_reference_bytes),
        max_inline_bytes=read.number("MAX_INLINE_BYTES", int, 0, 14_000_000, default.max_inline_bytes),
        max_audio_minutes=read.number("MAX_AUDIO_MINUTES", float, 0.1, 600, default.max_audio_minutes),
        reference_cache_items=read.number("REFERENCE_CACHE_ITEMS", int, 0, 10_000, default.reference_cache_items),
        download_timeout=read.number("DOWNLOAD_TIMEOUT", float, 1, 600, default.download_timeout),
        s3=_s3(read),
        on_runpod=(machine := _machine(env))[0],
        on_pod=machine[1],
        front=_front(read, *machine),
    )
    if read.problems:
        raise SettingsError(
            f"This endpoint's settings cannot work: {'; '.join(read.problems)}. Correct them in its environment variables.",
            problems=read.problems,
        )
    return settings


def front_settings(environment: Mapping[str, str]) -> FrontSettings:
    """The HTTP front's own settings, where others cannot work: a broken endpoint listens where it should, and keeps its key."""
    return _front(_Reader(environment), *_machine(environment))


def _machine(environment: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether this is a worker of RunPod's serverless platform, and whether it is a pod of RunPod's."""
    names = ("RUNPOD_WEBHOOK_GET_JOB", "RUNPOD_ENDPOINT_ID", "RUNPOD_REALTIME_PORT")
    return any(name in environment for name in names), "RUNPOD_POD_ID" in environment


def _front(read: _Reader, on_runpod: bool, on_pod: bool) -> FrontSettings:
    default = FrontSettings()
    origins = (read.text("CORS_ORIGINS") or "").replace(",", " ").split()
    if wrong := [origin for origin in origins if origin != "*" and (host_of(origin) is None or origin.count("/") != 2)]:
        read.problems.append(
            f"CORS_ORIGINS has {wrong[0][:_SHOWN_CHARS]!r}, which is no origin; use ones like https://example.com"
        )
    return FrontSettings(
        host="0.0.0.0" if on_runpod or on_pod else default.host,
        port=read.number("PORT", int, 1, 65_535, 80 if on_runpod else default.port),
        port_health=read.number("PORT_HEALTH", int, 1, 65_535, 0) or None,
        api_key=read.text("API_KEY"),
        cors_origins=tuple(origin for origin in origins if origin not in wrong),
    )


def _s3(read: _Reader) -> S3Config | None:
    """The endpoint's bucket: by the AWS names where they are complete, else by RunPod's, which fill what is missing."""
    bucket, endpoint, bucket_url = read.text("S3_BUCKET"), read.url("AWS_ENDPOINT_URL"), read.url("BUCKET_ENDPOINT_URL")
    default = S3Config(bucket="")
    common: dict[str, Any] = {
        "region": read.text("AWS_REGION", "AWS_DEFAULT_REGION"),
        "prefix": (read.text("S3_PREFIX") or "").strip("/"),
        "url_expires": read.number("S3_URL_EXPIRES", int, 1, 604_800, default.url_expires),
        "path_style": read.choice("S3_PATH_STYLE", ("auto", "true", "false"), default.path_style),
        "timeout": read.number("S3_TIMEOUT", float, 1, 600, default.timeout),
    }
    if bucket is None and bucket_url is None:
        return None  # keys alone may be there for something else
    aws_keys = read.pair("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    runpod_keys = read.pair("BUCKET_ACCESS_KEY_ID", "BUCKET_SECRET_ACCESS_KEY")
    on_aws_names = bucket is not None and aws_keys is not None
    keys = aws_keys if on_aws_names else runpod_keys or aws_keys
    if bucket_url and not on_aws_names:
        endpoint, bucket_in_url = split_bucket_url(bucket_url)
        bucket = bucket or bucket_in_url
        if bucket is None:
            read.problems.append("BUCKET_ENDPOINT_URL names no bucket and S3_BUCKET is not set; set S3_BUCKET")
            return None
    if bucket is None or not is_bucket_name(bucket):
        read.problems.append(f"S3_BUCKET is not the name of a bucket; use {BUCKET_NAME_ALLOWED}")
        return None
    endpoint, common["path_style"] = at_service(endpoint, bucket, common["path_style"])
    key, secret = keys or (None, None)
    token = read.text("AWS_SESSION_TOKEN") if keys and keys is aws_keys else None
    return S3Config(
        bucket=bucket, access_key_id=key, secret_access_key=secret, session_token=token, endpoint_url=endpoint, **common
    )
