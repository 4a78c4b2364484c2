"""The network volume, a real MooseFS whose master is 1 ms away and back, beside the local disk in the same run.

The first worker on an empty volume beside one that has none; its environment's copy to the volume; later starts, each in a new
container with nothing in any cache, with and without the pack of the hot start; and the reading of weights beside parallel dd.
It needs root, FUSE and Debian's moosefs packages, and 40 GB of disk. The figures are written after each stage.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, Target, bench
from benchmarks.containers import Container, Speech, forget_all
from benchmarks.contest import spread
from benchmarks.models import weight_files
from bootstrap.libraries import NOTE
from bootstrap.places import FOLDER, base_python
from tests import REPOSITORY
from tests.support.moosefs import MooseFS, missing

ONE_WAY = 0.0005
"""Seconds that a packet takes to the master, and as many back."""
LIMITS = {"build": 400.0, "publishing": 600.0, "start": 200.0, "weights": 120.0}
"""Seconds after which a stage has failed."""
LOCAL, PLAIN, HOT, NEAR_PLAIN, NEAR_HOT = (
    "local disk",
    "volume, as it lies",
    "volume, hot start",
    "volume without delay, as it lies",
    "volume without delay, hot start",
)
BUILD, EMPTY = "local build, without a volume", "first worker on an empty volume"
FIRST, LATER = (BUILD, EMPTY), (LOCAL, PLAIN, HOT, NEAR_PLAIN, NEAR_HOT)
COLUMNS = ("", "seconds", "processor time", "round trips", "beside the local disk")
_BLOCK = 4 << 20
_STREAMS = 6
_LARGE = 1 << 30  # bytes that are read where the model is tiny


class Stages:
    """What was measured so far: told, and written down, after each stage."""

    def __init__(self, b: Bench) -> None:
        self._bench = b
        self.figures: dict[str, Any] = {}
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self.targets: list[Target] = []
        self.notes: list[str] = []
        self._rows: dict[str, list[str]] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """One stage."""
        print(f"{name} ...", file=sys.stderr, flush=True)
        began = time.monotonic()
        yield
        print(f"{name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
        self._bench.save(COLUMNS, list(self._rows.values()), self.figures, self.runs, self.targets, self.notes)

    def add(self, name: str, speech: Speech, trips: int | None = None, beside: str | None = None) -> None:
        """One more start."""
        self.runs.setdefault(name, []).append({**asdict(speech), "trips": trips})
        runs = self.runs[name]
        seconds, cpu = spread(run["seconds"] for run in runs), spread(run["cpu"] for run in runs)
        self.figures[name] = {"seconds": seconds.median, "cpu": cpu.median}
        row = [name, str(seconds), str(cpu)]
        if trips is None:
            row.append("-")
        else:
            counts = spread(run["trips"] for run in runs)
            self.figures[name]["trips"] = counts.high
            row.append(counts.text(0))
        if beside is not None and beside in self.figures:
            ratio = seconds.median / self.figures[beside]["seconds"]
            self.figures[name]["ratio"] = ratio
            row.append(f"{ratio:.2f}")
        else:
            row.append("-")
        self._rows[name] = row

    def finish(self) -> None:
        """Print the table."""
        self._bench.finish(COLUMNS, list(self._rows.values()), self.figures, self.runs, self.targets, self.notes)


class Round:
    """One round: a volume that is empty, and containers."""

    def __init__(self, stages: Stages, b: Bench, cluster: MooseFS, folder: Path) -> None:
        self._stages, self._bench, self._cluster, self._folder = stages, b, cluster, folder
        self._number = 0

    def run(self) -> None:
        """All stages."""
        stage = self._stages
        volume_model = self._cluster.root / "model"
        with stage("the model goes to the volume"):
            shutil.copytree(self._bench.model, volume_model)
        with stage("a worker without a volume"):
            alone = self._container("build", self._folder / "no volume", self._bench.model)
            self._speak(BUILD, alone)
        with stage("the first worker on an empty volume, with its environment's copy"):
            self._first(self._container("publishing", self._cluster.root, volume_model))
        with stage("a later start from the local disk"):
            alone = self._container("start", self._folder / "no volume", self._bench.model, alone)
            self._speak(LOCAL, alone)
        full = self._bench.options.size == "full"
        for plain, hot, delayed in ((PLAIN, HOT, True), *(((NEAR_PLAIN, NEAR_HOT, False),) if full else ())):
            with stage(f"a later start from the {plain}"):
                self._later(plain, delayed=delayed, pack=False)
            with stage(f"a later start from the {hot}"):
                self._later(hot, delayed=delayed, pack=True)
        with stage("weights"):
            self._weights()

    def _container(self, stage: str, volume: Path, model: Path, like: Container | None = None) -> Container:
        self._number += 1
        options = self._bench.options
        folder = like.folder if like else self._folder / f"container-{self._number}"
        return Container(
            folder, volume=volume, model=model, nfe_step=options.nfe_step, device=options.device, limit=LIMITS[stage]
        )

    def _speak(self, name: str, container: Container, beside: str | None = None) -> Speech:
        forget_all()
        with container.speaking() as (_, speech):
            self._stages.add(name, speech, beside=beside)
        return speech

    def _first(self, container: Container) -> None:
        forget_all()
        with container.speaking() as (worker, speech):
            self._stages.add(EMPTY, speech, beside=BUILD)
            line = container.wait_for(worker, "the environment is on the network volume")
            found = re.search(r"after (\d+) s: (\d+) files, ([\d.]+ GB), which take ([\d.]+ GB) there", line)
            if found is None:
                raise RuntimeError(f"it was not copied: {line}")
            pack = container.wait_for(worker, "Later workers start from a pack")
        print(line, pack, sep="\n", file=sys.stderr)
        seconds, files, size, blocks = found.groups()
        self._stages.figures["copy"] = {"seconds": int(seconds), "files": int(files), "size": size, "on the volume": blocks}

    def _later(self, name: str, *, delayed: bool, pack: bool) -> None:
        packs = list((self._cluster.root / FOLDER / "venvs").glob("*/hot-*.pack"))
        if not pack:
            for path in packs:
                path.unlink()
        elif not packs:
            raise RuntimeError("there is no pack")
        self._cluster.remount(delayed=delayed)
        forget_all()
        container = self._container("start", self._cluster.root, self._cluster.root / "model")
        before, after = self._cluster.counts(), {}
        with container.speaking(lambda: after.update(self._cluster.counts())) as (worker, speech):
            trips = after["master.packets_sent"] - before["master.packets_sent"]
            self._stages.add(name, speech, trips, beside=LOCAL)
            if not pack:  # it writes the next one
                container.wait_for(worker, "Later workers start from a pack")
            elif speech.bootstrap["hot_start"] != "used":
                raise RuntimeError(f"the pack was not used: {worker.log[-3000:]}")
        if pack:
            ranges = json.loads(next(container.folder.glob(f"local/{FOLDER}/hot/*/{NOTE}")).read_bytes())
            weights = sum(path.stat().st_size for path in weight_files(self._cluster.root / "model"))
            read = packs[0].stat().st_size + sum(length for _, _, length in ranges) + weights
            self._stages.figures[name]["bytes"] = read
        # Its disk stays: next to files that were removed a minute ago, ext4 takes ten times as long to make new ones.
        moved = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
        self._stages.runs[name][-1]["counts"] = moved

    def _weights(self) -> None:
        if self._bench.options.size == "full":
            file = weight_files(self._cluster.root / "model")[0]
        else:
            file = self._cluster.root / "weights"
            with file.open("wb") as target:
                for _ in range(_LARGE // _BLOCK):
                    target.write(os.urandom(_BLOCK))
        size = file.stat().st_size
        speeds: dict[str, list[float]] = {"our reader": [], "parallel dd": []}
        for turn in range(2 * 3):
            name, read = (("parallel dd", _dd), ("our reader", _read))[turn % 2]
            self._cluster.remount()
            forget_all()
            began = time.monotonic()
            read(file, size)
            speeds[name].append(size / (time.monotonic() - began) / 1e6)
        found = {name: spread(values).median for name, values in speeds.items()}
        self._stages.figures["weights"] = {**found, "ratio": found["our reader"] / found["parallel dd"]}
        self._stages.runs.setdefault("weights", []).append(speeds)


def _dd(file: Path, size: int) -> None:
    each = -(-size // _BLOCK // _STREAMS)
    command = ["dd", f"if={file}", "of=/dev/null", f"bs={_BLOCK}", f"count={each}", "status=none"]
    running = [subprocess.Popen([*command, f"skip={number * each}"]) for number in range(_STREAMS)]
    codes = [process.wait(LIMITS["weights"]) for process in running]
    if any(codes):
        raise RuntimeError("dd has failed")


def _read(file: Path, _size: int) -> None:
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); from bootstrap.read_ahead import read_ahead\n"
        "reading = read_ahead((pathlib.Path(sys.argv[2]), 0, None)); reading.wait(); sys.exit(reading.error is not None)"
    )
    command = [base_python(), "-I", "-S", "-c", code, str(REPOSITORY), str(file)]
    subprocess.run(command, check=True, timeout=LIMITS["weights"])


def judge(figures: Mapping[str, Any]) -> list[Target]:
    """What was promised."""
    hot, local, speed = figures[HOT], figures[LOCAL]["seconds"], figures["weights"]
    floor = hot["bytes"] / 1e6 / speed["parallel dd"]
    return [
        Target("First worker on an empty volume, beside a local build", figures[EMPTY]["ratio"], 1.3, "x"),
        Target("Hot start's round trips to the first speech", hot["trips"], 300, ""),
        Target("Hot start less its bytes at dd's speed, beside the local disk", (hot["seconds"] - floor) / local, 1.25, "x"),
        Target("Hot start, beside one from the volume as it lies", hot["seconds"] / figures[PLAIN]["seconds"], 1, "x"),
        Target("Parallel dd's speed, beside our reader's", speed["parallel dd"] / speed["our reader"], 1.25, "x"),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    with bench("network_volume", __doc__, arguments, runs=1, warm_ups=0) as b:
        if (reason := missing()) is not None:
            sys.exit(reason)
        stages = Stages(b)
        if not forget_all():
            stages.notes.append("The page cache could not be emptied here: what is called cold is so on the mount alone.")
        for _ in range(b.options.runs):
            with MooseFS(one_way=ONE_WAY) as cluster, tempfile.TemporaryDirectory(prefix="f5-volume-") as folder:
                Round(stages, b, cluster, Path(folder)).run()
        stages.targets = judge(stages.figures)
        stages.finish()


if __name__ == "__main__":
    main()
