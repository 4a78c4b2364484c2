"""The cores that a container may use, from the files that the kernel shows it."""

import os
from pathlib import Path

import pytest

from f5_worker.runtime.threads import limit_threads, usable_cores

HERE = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("", {}, HERE),
        ("0::/\n", {"cpu.max": "max 100000\n"}, HERE),
        ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "90000000 100000\n"}, HERE),
        ("0::/a/b\n", {"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1),
        ("0::/../outside\n", {"cpu.max": "100000 100000\n"}, 1),
        ("4:cpu,cpuacct:/docker/x\n", {"cpu,cpuacct/cpu.cfs_quota_us": "70000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 1),
        ("1:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "100000", "cpu/x/cpu.cfs_period_us": "100000"}, 1),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, HERE),
        ("1:memory:/x\n", {"memory/x/cpu.max": "100000 100000"}, HERE),
        ("nonsense\n", {"cpu.max": "nonsense\n"}, HERE),
    ],
)
def test_usable_cores(tmp_path: Path, groups: str, files: dict[str, str], cores: int) -> None:
    (tmp_path / "cgroup").write_text(groups)
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    assert usable_cores(tmp_path / "cgroup", tmp_path / "fs") == cores


def test_what_the_user_has_set_wins() -> None:
    environment = {"OMP_NUM_THREADS": "3"}
    limit_threads(environment)
    assert environment == {"OMP_NUM_THREADS": "3"}
    limit_threads(empty := {"OPENBLAS_NUM_THREADS": "1"})
    assert (empty["OMP_NUM_THREADS"], empty["OPENBLAS_NUM_THREADS"]) == (str(usable_cores()), "1")
