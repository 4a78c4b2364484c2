"""How many threads the processor's libraries start: as many as the container may use, which is not what the host has.

A library that starts more waits for its own threads: OpenMP's spin meanwhile, and speech takes fifty times as long.
"""

import math
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

_CGROUPS = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def limit_threads(environment: MutableMapping[str, str]) -> None:
    """Set the libraries' own variables, unless the user has set ``OMP_NUM_THREADS``; before they are loaded."""
    if environment.get("OMP_NUM_THREADS"):
        return
    for name in _VARIABLES:
        environment.setdefault(name, str(usable_cores()))
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave the processor to others


def usable_cores(cgroups: Path = _CGROUPS, root: Path = _ROOT) -> int:
    """Cores that this process may use: by its affinity, and by the smallest quota of the control groups that it is in.

    Parts of a core count as one.
    """
    quotas = [quota for folder in _folders(cgroups, root) if (quota := _quota(folder)) is not None]
    return max(1, min(len(os.sched_getaffinity(0)), *(math.ceil(quota) for quota in quotas), 1 << 20))


def _folders(cgroups: Path, root: Path) -> Iterator[Path]:
    """This process's control group and all above it, as this container sees them: version 2, then version 1."""
    try:
        lines = [line.split(":", 2) for line in cgroups.read_text(encoding="utf-8").splitlines()]
    except OSError:
        lines = []
    yield from (root, root / "cpu", root / "cpu,cpuacct")
    for _, controllers, path in (line for line in lines if len(line) == 3):
        tops = [root, root / "unified"] if not controllers else [root / controllers] if "cpu" in controllers.split(",") else []
        for top in tops:
            folder = top / path.strip("/")
            yield from (one for one in (folder, *folder.parents) if one.is_relative_to(top))


def _quota(folder: Path) -> float | None:
    """Cores; ``None`` where there is no limit."""
    try:
        if (folder / "cpu.max").is_file():
            quota, _, period = (folder / "cpu.max").read_text().partition(" ")
        else:
            quota, period = (folder / "cpu.cfs_quota_us").read_text(), (folder / "cpu.cfs_period_us").read_text()
        return int(quota) / int(period) if int(quota) > 0 and int(period) > 0 else None
    except (OSError, ValueError):
        return None
