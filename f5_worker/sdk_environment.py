"""What the SDK reads from the environment at its import, made safe first: it must not end the worker or undo lazy loading."""

from collections.abc import MutableMapping

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
