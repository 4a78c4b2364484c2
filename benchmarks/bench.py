"""What all benchmarks share: their options, who competes, the table, and the file of results."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.contest import Arena
from benchmarks.machine import describe_machine, in_words
from benchmarks.models import Size, model_folder, weight_files
from benchmarks.probes.protocol import Report, Task, What
from tests import REPOSITORY

RESULTS = REPOSITORY / "benchmarks" / "results"
WORKER, STOCK, FLOOR = "worker", "stock F5TTS", "torch alone"
SHORT_TEXT = "Hello from F5-TTS."


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line. ``runs`` count, ``warm_ups`` before them do not."""

    runs: int
    warm_ups: int
    repeats: int
    nfe_step: int
    sentences: int
    minutes: float
    post_faults: float
    device: str
    size: Size
    weights: str
    stock: str
    models: Path
    results: Path


@dataclass(frozen=True, slots=True)
class Target:
    """One promise: what was measured, and the most that it may be."""

    what: str
    measured: float
    limit: float
    unit: str

    def __str__(self) -> str:
        verdict = "holds" if self.measured <= self.limit else "MISSED"
        return f"{self.what}: {self.measured:.2f} {self.unit}, at most {self.limit:g}: {verdict}"


class Bench:
    """One benchmark under way."""

    def __init__(self, name: str, options: Options, arena: Arena) -> None:
        self.name = name
        self.options = options
        self.arena = arena
        self.machine = describe_machine(options.models if options.models.exists() else REPOSITORY)
        self.has_stock = Path(options.stock).is_file()
        self.without_ffmpeg = self.has_stock and not arena.can(options.stock, "torchcodec.decoders")
        if not self.has_stock:
            print("Stock F5-TTS is left out: it has no environment (see benchmarks/__init__.py)", file=sys.stderr)
        self._load_before = os.getloadavg()[0]
        self._model: Path | None = None

    @property
    def model(self) -> Path:
        """The model folder that is measured."""
        if self._model is None:
            self._model = model_folder(self.options.size, self.options.models)
        return self._model

    @property
    def weights_size(self) -> int:
        """Bytes of the weights' files."""
        return sum(path.stat().st_size for path in weight_files(self.model))

    def task(self, what: What, text: str = SHORT_TEXT) -> Task:
        """A task under this benchmark's options."""
        options = self.options
        return Task(
            what=what,
            report="",
            model_folder=str(self.model),
            device=options.device,
            text=text,
            nfe_step=options.nfe_step,
            repeats=options.repeats,
            without_ffmpeg=self.without_ffmpeg,
        )

    def worker(self, task: Task, **more: str) -> Report:
        """The worker's turn, with ``more`` settings."""
        settings = {"F5TTS_MODEL": task.model_folder, "F5TTS_DEVICE": task.device, "NETWORK_VOLUME": self.arena.volume, **more}
        return self.arena.probe(sys.executable, "worker", task, settings)

    def stock(self, task: Task) -> Report:
        """Stock's turn."""
        return self.arena.probe(self.options.stock, "stock", task)

    def torch_alone(self, task: Task) -> Report:
        """The turn of what nothing can beat."""
        return self.arena.probe(sys.executable, "torch_alone", task)

    def finish(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        figures: Mapping[str, Any],
        runs: Mapping[str, Any],
        targets: Sequence[Target] = (),
        notes: Sequence[str] = (),
    ) -> None:
        """Print the table, and write it with every single run into the folder of results."""
        load = (self._load_before, os.getloadavg()[0])
        head = (
            f"Median of {self.options.runs} runs (lowest to highest). Load average {load[0]:.1f} before, {load[1]:.1f} after."
        )
        print(f"\n## {self.name}\n{in_words(self.machine)}\n{head}\n")
        print(table(columns, rows))
        for line in [*self._all(notes), *map(str, targets)]:
            print(f"- {line}")
        print(f"\nWritten to {self.save(columns, rows, figures, runs, targets, notes).name}")

    def save(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        figures: Mapping[str, Any],
        runs: Mapping[str, Any],
        targets: Sequence[Target] = (),
        notes: Sequence[str] = (),
    ) -> Path:
        """Write what was measured so far into the folder of results; returns the file."""
        options = {name: value for name, value in asdict(self.options).items() if name not in ("stock", "models", "results")}
        document = {
            "benchmark": self.name,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": self.machine,
            "load_average": (self._load_before, os.getloadavg()[0]),
            "options": options,
            "table": {"columns": columns, "rows": rows},
            "notes": self._all(notes),
            "targets": [{**asdict(target), "holds": target.measured <= target.limit} for target in targets],
            "figures": figures,
            "runs": runs,
        }
        self.options.results.mkdir(parents=True, exist_ok=True)
        path = self.options.results / f"{self.name}.json"
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        return path

    def _all(self, notes: Sequence[str]) -> list[str]:
        no_ffmpeg = "Stock reads the reference with soundfile: this machine has no FFmpeg libraries for torchcodec."
        return [*notes, *([no_ffmpeg] if self.without_ffmpeg else [])]


@contextmanager
def bench(
    name: str,
    description: str | None,
    arguments: Sequence[str] | None,
    *,
    runs: int,
    warm_ups: int = 1,
    repeats: int = 1,
    nfe_step: int = 1,
    sentences: int = 0,
    minutes: float = 0.0,
) -> Iterator[Bench]:
    """Parse the command line (whose defaults are given here) and make room for a benchmark."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter, prog=f"python -m benchmarks.{name}"
    )
    parser.add_argument("--runs", type=int, default=runs, help="processes of each contestant that count")
    parser.add_argument("--warm-ups", type=int, default=warm_ups, help="processes before them that do not count")
    parser.add_argument("--repeats", type=int, default=repeats, help="requests in each process, where it makes several")
    parser.add_argument("--nfe-step", type=int, default=nfe_step, help="ODE steps; few, since a CPU takes seconds for each")
    parser.add_argument("--sentences", type=int, default=sentences, help="length of the long text")
    parser.add_argument("--minutes", type=float, default=minutes, help="how long all of it runs, where that can be chosen")
    parser.add_argument("--post-faults", type=float, default=2.0, help="per cent of posts that fail, where some do")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where the model runs")
    parser.add_argument("--size", choices=("full", "smoke"), default="full", help="the model: real size, or tiny")
    parser.add_argument("--weights", choices=("disk", "cache"), default="disk", help="cold starts read them from")
    parser.add_argument("--stock", default=str(REPOSITORY / "build/stock-venv/bin/python"), help="Python with stock F5-TTS")
    parser.add_argument("--models", type=Path, default=REPOSITORY / "build/benchmarks", help="where models are kept")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the figures are written")
    options = Options(**vars(parser.parse_args(arguments)))
    with tempfile.TemporaryDirectory(prefix="f5-benchmark-") as folder:
        yield Bench(name, options, Arena(Path(folder)))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    cells = [list(columns), *map(list, rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
