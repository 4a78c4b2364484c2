"""How the worker is: the machine, the environment, the model, the services; gathered without loading anything heavy."""

import os
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from f5_worker import sdk
from f5_worker.errors import StorageError, WorkerError
from f5_worker.formats import CONTENT_TYPES
from f5_worker.job.context import Job
from f5_worker.job.request import HealthRequest
from f5_worker.model.files import DEMO_MODEL, configuration_doubt
from f5_worker.resources import Resources
from f5_worker.runtime.device import NVIDIA_DRIVER
from f5_worker.settings import Settings
from f5_worker.urls import host_of
from f5_worker.voice.builtin import BUILTIN_VOICE
from f5_worker.voice.source import check_default_voice
from f5_worker.volume import has_volume, look

PACKAGES = ("runpod", "torch", "torchaudio", "f5-tts", "vocos", "transformers", "boto3", "soundfile", "pocketsphinx")


def health(_request: HealthRequest, _job: Job, resources: Resources) -> dict[str, Any]:
    """How the worker is; loads nothing."""
    settings, loaded, load_error, report = resources.settings, resources.model.value, resources.model.error, resources.report
    model: dict[str, Any] = {"loaded": loaded is not None, "name": Path(settings.model).name}
    if loaded is not None:
        model.update(device=loaded.device, dtype=str(loaded.dtype).removeprefix("torch."))
    if load_error is not None:
        model.update(error=load_error.message, retry_in=round(resources.model.retry_in, 1))
        if resources.standing_in:
            model["stand_in"] = DEMO_MODEL
    doubt = loaded.warning if loaded is not None else configuration_doubt(settings)
    wrong_settings = [*sdk.problems, *(resources.settings_error.details["problems"] if resources.settings_error else [])]
    facts = machine_facts(settings)
    voices = _voices(settings, s3_fails="error" in facts["s3"])
    problems = [*wrong_settings, *([load_error.message] if load_error else []), *what_is_wrong(facts)]
    if "error" in voices:
        problems.append(voices["error"])
    if report is not None and report.reason:
        problems.append(f"{report.reason} {report.fix or ''}".strip())
    return {
        "status": "degraded" if problems else "healthy",
        "problems": problems,
        "warnings": [doubt] if doubt else [],
        "model": model,
        "settings": {"problems": wrong_settings},
        "word_timings": word_timing_facts(settings),
        "bootstrap": report.public() if report else None,
        **facts,
        "voices": voices,
        "uptime": round(resources.uptime, 1),
        "jobs": dict(resources.jobs),
    }


WORD_TIMES_MEASURED: Mapping[str, Any] = {
    "on": "English speech of three flite voices",
    "start_median_ms": 10,
    "start_90th_percentile_ms": 27,
    "dropped_words_found": 0.972,
    "said_words_doubted": 0.0031,
}
"""Of ``python -m benchmarks.word_times``, rounded; a test compares them."""


def word_timing_facts(settings: Settings) -> dict[str, Any]:
    """How words get their times, by language."""
    model = Path(settings.asr_model).name if Path(settings.asr_model).is_absolute() else settings.asr_model
    return {
        "formats": list(CONTENT_TYPES["timing"]),
        "english": "pocketsphinx" if _version("pocketsphinx") else None,
        "other_languages": model,
        "measured": WORD_TIMES_MEASURED,
        "not_measured": ["F5-TTS's own voices", "the default Whisper", "languages other than English"],
    }


def machine_facts(settings: Settings) -> dict[str, Any]:
    """Versions, GPU, memory, volume, disk and S3, as JSON values. Every fact that cannot be had says why instead."""
    return {
        "versions": {"python": sys.version.split()[0], **{name: _version(name) for name in PACKAGES}},
        "gpu": _gpu(),
        "memory": _memory(),
        "disk": _disk(Path.cwd()),
        "volume": _volume(settings),
        "s3": _s3(settings),
    }


def what_is_wrong(facts: dict[str, Any]) -> list[str]:
    """One sentence for each of ``machine_facts`` that will keep jobs from being answered with speech."""
    missing = [name for name in PACKAGES if facts["versions"][name] is None]
    problems = [f"Packages are missing: {', '.join(missing)}; start the worker through start.sh."] if missing else []
    problems += [facts[place]["error"] for place in ("s3", "volume") if "error" in facts[place]]
    return problems


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _gpu() -> dict[str, Any]:
    """Names and driver from the kernel's own files: asking torch would import it."""
    try:
        cards = [_field(card / "information", "Model") for card in sorted((NVIDIA_DRIVER / "gpus").iterdir())]
        driver = (NVIDIA_DRIVER / "version").read_text().splitlines()[0]
    except OSError:
        return {"cards": [], "driver": None}
    return {"cards": cards, "driver": driver.partition("Kernel Module")[2].split()[0] if "Kernel Module" in driver else driver}


def _field(path: Path, name: str) -> str | None:
    lines = (line.partition(":") for line in path.read_text().splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), None)


def _memory() -> dict[str, int]:
    names = {"MemTotal": "total", "MemAvailable": "available"}
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return {names[words[0].rstrip(":")]: int(words[1]) * 1024 for words in lines if words[0].rstrip(":") in names}


def _disk(path: Path) -> dict[str, Any]:
    try:
        usage = shutil.disk_usage(path)
    except OSError as error:
        return {"error": os.strerror(error.errno or 0)}
    return {"total": usage.total, "free": usage.free}


def _volume(settings: Settings) -> dict[str, Any]:
    """The network volume; ``writable`` is what the file permissions say, since a health check must not write."""
    verdict = look(settings)
    if verdict.trouble:
        return {"mounted": False, "error": verdict.trouble}
    if not verdict.folder:
        return {"mounted": False}
    return {"mounted": True, "writable": verdict.writable, "total": verdict.total, "free": verdict.free}


def _voices(settings: Settings, *, s3_fails: bool) -> dict[str, Any]:
    """Where voices lie, and which one speaks for jobs that name none; of a URL the host alone, since it may hold a login."""
    default = settings.default_voice
    facts: dict[str, Any] = {
        "stored_on": "s3" if settings.s3 else "volume" if has_volume(settings) else None,
        "default": BUILTIN_VOICE if default is None else host_of(default) or default,
    }
    try:
        if not s3_fails:
            check_default_voice(Job(settings, settings.s3))
    except WorkerError as error:
        return {**facts, "error": error.message}
    return facts


def _s3(settings: Settings) -> dict[str, Any]:
    if settings.s3 is None:
        return {"configured": False}
    facts: dict[str, Any] = {"configured": True, "bucket": settings.s3.bucket}
    import s3_utils

    try:
        s3_utils.check(settings.s3)
    except StorageError as error:
        return {**facts, "reachable": False, "error": error.message, "error_type": type(error).__name__}
    return {**facts, "reachable": True}
