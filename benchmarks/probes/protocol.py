"""What a measured process is told and what it reports. Standard library only: it is imported before anything is measured."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

What = Literal["cold", "memory", "warm", "long", "stream"]
REPORTED_PACKAGES = ("f5-tts", "torch", "torchaudio", "vocos", "x-transformers", "transformers", "numpy", "runpod")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to do, as a file that is the process's first argument; ``report`` is where its answer goes."""

    what: What
    report: str
    model_folder: str = ""
    device: str = "auto"
    text: str = ""
    nfe_step: int = 1
    repeats: int = 1
    seed: int = 7
    without_ffmpeg: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: seconds since the start, processor seconds (user and system, all threads), peak memory so far in bytes."""

    name: str
    wall: float
    cpu: float
    peak_memory: int


@dataclass(slots=True)
class Report:
    """``laps`` holds seconds by phase, one mapping for each repetition."""

    marks: list[Mark] = field(default_factory=list)
    laps: list[dict[str, float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def phases(self) -> dict[str, float]:
        """Seconds from each mark to the next, by the name of the later one."""
        ends = [0.0, *(mark.wall for mark in self.marks)]
        return {mark.name: mark.wall - start for mark, start in zip(self.marks, ends, strict=False)}

    def mark(self, name: str) -> Mark:
        """The mark of this name."""
        return next(mark for mark in self.marks if mark.name == name)


class Probe:
    """The measured process's side: made first, it notes the end of the interpreter's own start.

    The second argument is ``time.monotonic()`` of just before the process was started: Linux has one such clock for all.
    """

    def __init__(self) -> None:
        now, cpu = time.monotonic(), time.process_time()
        self.task = Task(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
        self.report = Report()
        self._started = float(sys.argv[2])
        self._mark("interpreter", now, cpu)

    def mark(self, name: str) -> None:
        """Note that ``name`` has just ended."""
        self._mark(name, time.monotonic(), time.process_time())

    def _mark(self, name: str, now: float, cpu: float) -> None:
        self.report.marks.append(Mark(name, now - self._started, cpu, peak_memory()))

    def finish(self) -> None:
        """Hand the report over."""
        self.report.facts["modules"] = len(sys.modules)
        self.report.facts["versions"] = {name: found for name in REPORTED_PACKAGES if (found := _version(name))}
        Path(self.task.report).write_text(json.dumps(asdict(self.report)), encoding="utf-8")


def read_report(path: Path) -> Report:
    """What ``Probe.finish`` wrote."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    return Report([Mark(**mark) for mark in raw["marks"]], raw["laps"], raw["facts"])


class Watches:
    """Seconds spent inside functions of the model, by phase, each less what it spent inside another watched one."""

    def __init__(self, synchronise: Callable[[], None]) -> None:
        self._synchronise = synchronise
        self._seconds: dict[str, float] = {}
        self._inner: list[float] = []

    def watch(self, owner: Any, name: str, phase: str) -> None:
        """Time every call of ``owner.name``; ``synchronise`` waits for the GPU's work around each."""
        original = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            self._synchronise()
            started = time.perf_counter()
            self._inner.append(0.0)
            try:
                return original(*arguments, **options)
            finally:
                self._synchronise()
                spent = time.perf_counter() - started
                self._seconds[phase] = self._seconds.get(phase, 0.0) + spent - self._inner.pop()
                if self._inner:
                    self._inner[-1] += spent

        setattr(owner, name, timed)

    def take(self) -> Mapping[str, float]:
        """The seconds since the last call."""
        seconds, self._seconds = self._seconds, {}
        return seconds


def watch_model(torch: Any, device: str, transformer: Any, vocoder: Any) -> Watches:
    """Watches on a model's DiT, its text embedding, and its vocoder."""
    watches = Watches(torch.cuda.synchronize if device.startswith("cuda") else lambda: None)
    watches.watch(transformer, "forward", "DiT")
    watches.watch(transformer.text_embed, "forward", "text embedding")
    watches.watch(vocoder, "decode", "vocoder")
    return watches


def touch(*modules: Any) -> None:
    """Read every weight: one that is mapped from a file takes no memory until then."""
    for module in modules:
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.sum()


def peak_memory() -> int:
    """The process's largest resident memory so far, in bytes.

    Not ``ru_maxrss``: a process inherits that from the one that started it.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
