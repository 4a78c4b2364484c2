"""The machine that figures were taken on, in words and numbers that can be published."""

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from f5_worker.sdk import processor_name


def describe_machine(files: Path) -> dict[str, Any]:
    """Processor, cores, memory (bytes), GPU, system, and the file system that ``files`` lie on."""
    return {
        "cpu": processor_name() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpu": _gpu(),
        "disk": _disk(files),
        "system": f"{platform.freedesktop_os_release().get('PRETTY_NAME', platform.system())}, Linux {platform.release()}",
        "python": platform.python_version(),
    }


def in_words(machine: dict[str, Any]) -> str:
    """One line for a table's head."""
    return (
        f"{machine['cores']} cores of {machine['cpu']}, {machine['memory'] / 2**30:.0f} GiB, "
        f"{machine['gpu'] or 'no GPU'}, {machine['disk']}, {machine['system']}, Python {machine['python']}"
    )


def _gpu() -> str | None:
    if shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    return found.stdout.strip().replace("\n", "; ") if found.returncode == 0 else None


def _disk(files: Path) -> str:
    """The file system's type and what it lies on, as the longest mount point above ``files`` says."""
    best, words = "", "unknown"
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        device, mount, kind = line.split()[:3]
        if len(mount) > len(best) and files.resolve().is_relative_to(mount):
            best, words = mount, f"{kind} on {device.removeprefix('/dev/')}" if device.startswith("/dev/") else kind
    return words
