"""The one import of the RunPod SDK, with its surroundings settled first: it must not end the worker, undo lazy loading or wait.

Everything of the SDK that the worker uses is imported from here, so that no order of imports matters elsewhere.
"""

import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from f5_worker import streams

# The SDK's checks before the first job end the process with exit code 1 (too little RAM or disk, no route to 8.8.8.8), and
# those of the GPU import torch. ``health`` reports the same facts instead.
_DEFAULTS = {"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true", "RUNPOD_SKIP_GPU_CHECK": "true"}
_LEVEL_NAMES = ("RUNPOD_LOG_LEVEL", "RUNPOD_DEBUG_LEVEL")
_LEVELS = {"NOTSET", "TRACE", "DEBUG", "INFO", "WARN", "ERROR"}
# Read as numbers, most of them while the SDK and its packages are imported, where a wrong one would end the worker; with the
# least that works.
_NUMBERS: Mapping[str, tuple[type[int] | type[float], float]] = {
    "RUNPOD_PING_INTERVAL": (int, 1000),  # milliseconds; under a second the SDK pings without a pause
    "RUNPOD_REALTIME_PORT": (int, 0),
    "RUNPOD_REALTIME_CONCURRENCY": (int, 1),
    "RUNPOD_MIN_MEMORY_GB": (float, 0),
    "RUNPOD_MIN_DISK_PERCENT": (float, 0),
    "RUNPOD_NETWORK_CHECK_TIMEOUT": (int, 1),
    "RUNPOD_GPU_BENCHMARK_TIMEOUT": (int, 1),
    "RUNPOD_GPU_TEST_TIMEOUT": (int, 1),
    "RUNPOD_GPU_MAX_ERROR_MESSAGES": (int, 0),
    "HF_HUB_ETAG_TIMEOUT": (int, 1),
    "HF_HUB_DOWNLOAD_TIMEOUT": (int, 1),
    **{f"TQDM_{name}": (int, 0) for name in ("INITIAL", "POSITION", "NROWS", "NCOLS", "UNIT_DIVISOR")},
    **{f"TQDM_{name}": (float, 0) for name in ("TOTAL", "MINITERS", "MININTERVAL", "MAXINTERVAL", "DELAY", "SMOOTHING")},
}
# With any other torch ends the process, or its import.
_ALLOCATOR = re.compile(r"(\s*\w+\s*:(\[[^\]]*\]|[^,:\[\]]+)(,|$))*")
_CHOICES: Mapping[str, Collection[str]] = {
    **dict.fromkeys(_LEVEL_NAMES, _LEVELS),
    "PYTORCH_JIT": {"0", "1", "1V", "0V", "TRUE", "FALSE", "YES", "NO"},
    "UVICORN_LOG_LEVEL": {"CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "TRACE"},
}


def prepare_sdk_environment(environment: MutableMapping[str, str]) -> list[str]:
    """Set the SDK's switches unless the user has, and drop values that would stop it; before ``import runpod``.

    Returns:
        What was wrong with the user's values, one sentence each.
    """
    problems = []
    for name, choices in _CHOICES.items():
        choice = environment.get(name)
        if choice is not None and choice.upper() not in choices:
            del environment[name]
            problems.append(f"{name}={choice[:40]!r} is not allowed and not used; use one of {', '.join(sorted(choices))}")
    for name, (kind, least) in _NUMBERS.items():
        number = environment.get(name)
        if number is not None and not _is_number(number, kind, least):
            del environment[name]
            wanted = "a whole number" if kind is int else "a number"
            problems.append(f"{name}={number[:40]!r} is not used; use {wanted} of {least:g} or more")
    for name in ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"):
        if not _ALLOCATOR.fullmatch(environment.get(name, "")):
            problems.append(f"{name}={environment.pop(name)[:40]!r} is not used; use NAME:VALUE, several of them with commas")
    if not any(name in environment for name in _LEVEL_NAMES):
        # At its own default, DEBUG, the SDK logs whole outputs, base64 included.
        environment["RUNPOD_LOG_LEVEL"] = "INFO"
    for name, value in _DEFAULTS.items():
        environment.setdefault(name, value)
    return problems


def _is_number(text: str, kind: type[int] | type[float], least: float) -> bool:
    try:
        return least <= kind(text) < float("inf")
    except ValueError:
        return False


@contextmanager
def processor_name_from_kernel() -> Iterator[None]:
    """While the SDK is imported, py-cpuinfo answers from ``/proc/cpuinfo``, which saves over a second of every start.

    On its own it starts a second Python, which runs machine code and sleeps for a second to count the processor's ticks. The
    SDK wants the processor's name alone, for ``--rp_debugger``, and does without it too.
    """
    try:
        import cpuinfo  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        yield
        return
    query, name = cpuinfo.get_cpu_info, processor_name()
    cpuinfo.get_cpu_info = lambda: {"brand_raw": name} if name else {}
    try:
        yield
    finally:
        cpuinfo.get_cpu_info = query


def processor_name() -> str | None:
    """The processor's name as the kernel tells it; ``None`` where it does not, as on ARM."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


streams.replace_closed()
problems = tuple(prepare_sdk_environment(os.environ))
"""What was wrong with the user's settings for the SDK, one sentence each."""

with processor_name_from_kernel():
    import runpod
    from runpod.http_client import TooManyRequests
    from runpod.serverless.modules import rp_http, rp_job, rp_scale, worker_state
    from runpod.serverless.modules.rp_logger import RunPodLogger
    from runpod.serverless.modules.rp_scale import JobScaler
    from runpod.serverless.utils.rp_ssrf import (
        SSRFError,
        iter_content_capped,
        resolve_and_validate,
        safe_get,
    )
    from runpod.serverless.utils.rp_ssrf import _ssrf_protection_enabled as ssrf_protection_enabled

# That import shows the INFO lines of every library: HTTP clients write each request's URL there, signature included.
logging.getLogger().setLevel(logging.WARNING)

__all__ = [
    "JobScaler",
    "RunPodLogger",
    "SSRFError",
    "TooManyRequests",
    "iter_content_capped",
    "problems",
    "resolve_and_validate",
    "rp_http",
    "rp_job",
    "rp_scale",
    "runpod",
    "safe_get",
    "ssrf_protection_enabled",
    "worker_state",
]
