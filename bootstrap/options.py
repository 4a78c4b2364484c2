"""The times and sizes that can be set by environment variables, mostly for tests; a bad value is logged and ignored."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from bootstrap.door import LIMIT
from bootstrap.report import log

MARGIN = 30.0
"""Seconds that the worker needs to start, out of those that the platform gives."""


@dataclass(frozen=True, slots=True)
class Options:
    """Times are seconds, sizes are bytes. Each field is set by ``F5_BOOTSTRAP_<NAME>``, in capitals."""

    beat: float = 3.0
    """Between two heartbeats of a builder."""
    stale: float = 45.0
    """A builder whose heartbeat was not seen to change for so long is taken for dead."""
    silence: float = LIMIT
    """A look at the network volume that takes longer counts as one that hangs."""
    poll: float = 0.5
    """Between two looks of a worker that waits for a builder."""
    limit: float = 3600.0
    """For everything. On RunPod it is ``RUNPOD_INIT_TIMEOUT`` (420), less ``MARGIN``, after which a worker is unhealthy."""
    retries: int = 3
    """Repeated installs after a network fault."""
    head_start: float = 60.0
    """For the first speech of a worker, before its environment is copied to the network volume."""
    backoff: float = 3.0
    """Before the first repeated install; doubled each time."""
    need: int = 8_900_000_000
    """Free space for one environment: 8.05 GB for the pins in requirements.txt with bytecode, and 10 % of reserve; on a network
    volume a third more (room.py)."""
    need_cache: int = 8_400_000_000
    """Free space for the unpacked packages (7.7 GB) while they are copied to another disk."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Options":
        """The options set in ``environment``."""
        default = cls()
        if "RUNPOD_POD_ID" in environment or "RUNPOD_ENDPOINT_ID" in environment:
            default = replace(default, limit=max(_number(environment, "RUNPOD_INIT_TIMEOUT", 420.0) - MARGIN, MARGIN))
        values = {}
        for field in fields(cls):
            fallback = getattr(default, field.name)
            values[field.name] = type(fallback)(_number(environment, f"F5_BOOTSTRAP_{field.name.upper()}", fallback))
        return cls(**values)

    def without_retries(self) -> "Options":
        """The same, for a start that can fall back on something."""
        return replace(self, retries=0)


def _number(environment: Mapping[str, str], name: str, fallback: float) -> float:
    raw = environment.get(name, "").strip()
    if not raw:
        return fallback
    try:
        value = float(raw)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e15:
        log(f"{name}={raw!r} is not a usable number; {fallback:g} is used instead", "WARN")
        return fallback
    return value
