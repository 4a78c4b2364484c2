"""The one import of the RunPod SDK, with its surroundings settled first: it must not end the worker, undo lazy loading or wait.

Everything of the SDK that the worker uses is imported from here, so that no order of imports matters elsewhere.
"""

import logging
import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

# The SDK's checks before the first job end the process with exit code 1 (too little RAM or disk, no route to 8.8.8.8), and
# those of the GPU import torch. ``health`` reports the same facts instead.
_DEFAULTS = {"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true", "RUNPOD_SKIP_GPU_CHECK": "true"}
_LEVEL_NAMES = ("RUNPOD_LOG_LEVEL", "RUNPOD_DEBUG_LEVEL")
_LEVELS = {"NOTSET", "TRACE", "DEBUG", "INFO", "WARN", "ERROR"}


def prepare_sdk_environment(environment: MutableMapping[str, str]) -> list[str]:
    """Set the SDK's switches unless the user has, and drop log levels that would stop its import; before ``import runpod``.

    Returns:
        What was wrong with the user's values, one sentence each.
    """
    problems = []
    for name in _LEVEL_NAMES:
        level = environment.get(name)
        if level is not None and level.upper() not in _LEVELS:
            del environment[name]
            problems.append(f"{name}={level!r} is not allowed; use one of {', '.join(sorted(_LEVELS))}")
    if not any(name in environment for name in _LEVEL_NAMES):
        # At its own default, DEBUG, the SDK logs whole outputs, base64 included.
        environment["RUNPOD_LOG_LEVEL"] = "INFO"
    for name, value in _DEFAULTS.items():
        environment.setdefault(name, value)
    return problems


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


problems = tuple(prepare_sdk_environment(os.environ))
"""What was wrong with the user's settings for the SDK, one sentence each."""

with processor_name_from_kernel():
    import runpod
    from runpod.serverless.modules.rp_logger import RunPodLogger
    from runpod.serverless.utils.rp_ssrf import SSRFError, iter_content_capped, safe_get

# That import shows the INFO lines of every library: HTTP clients write each request's URL there, signature included.
logging.getLogger().setLevel(logging.WARNING)

__all__ = ["RunPodLogger", "SSRFError", "iter_content_capped", "problems", "runpod", "safe_get"]
