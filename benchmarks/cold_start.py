"""From nothing to the first audio: interpreter, imports, weights, speech; the worker beside stock F5TTS and torch alone.

"Torch alone" imports torch and torchaudio and reads the weights' bytes once: nothing that speaks can be quicker. Bytecode is
compiled and the packages' files are in the page cache, as on the second worker of a host.
"""

from collections.abc import Sequence
from functools import partial

from benchmarks.bench import FLOOR, STOCK, WORKER, Bench, bench
from benchmarks.contest import alternate, as_json, spread
from benchmarks.models import forget_cached_pages
from benchmarks.probes.protocol import Report, Task

PHASES = ("interpreter", "SDK", "imports", "weights", "first audio")


def phases(report: Report) -> dict[str, float]:
    """Seconds by phase; the worker's load is split by its own clock."""
    found = report.phases()
    if "load" in found:
        imports = report.laps[0]["imports"]
        found |= {"imports": imports, "weights": found.pop("load") - imports}
    return {name: found.get(name, 0.0) for name in PHASES}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    with bench("cold_start", __doc__, arguments, runs=5) as b:
        if b.options.weights == "cache":
            b.name += "_cached"
        task = b.task("cold")
        contestants = {FLOOR: partial(_floor, b, task), WORKER: partial(_worker, b, task)}
        if b.has_stock:
            contestants[STOCK] = partial(_stock, b, task)
        reports = alternate(contestants, runs=b.options.runs, warm_ups=b.options.warm_ups)

        rows, figures = [], {}
        for name, runs in reports.items():
            by_phase = {phase: spread(phases(run)[phase] for run in runs) for phase in PHASES}
            total, cpu = spread(run.marks[-1].wall for run in runs), spread(run.marks[-1].cpu for run in runs)
            figures[name] = {**{phase: by_phase[phase].median for phase in PHASES}, "total": total.median, "cpu": cpu.median}
            shown = [f"{by_phase[phase].median:.2f}" if by_phase[phase].median else "-" for phase in PHASES]
            rows.append([name, *shown, str(total), str(cpu)])
        where = "read from the disk" if b.options.weights == "disk" else "in the page cache"
        notes = [
            f"Seconds. Weights: {b.weights_size / 1e9:.2f} GB, {where}. First audio: nfe_step={b.options.nfe_step}, "
            f"{reports[WORKER][0].facts['duration']:.1f} s of speech, on {reports[WORKER][0].facts['device']}."
        ]
        if b.has_stock:
            ratio = figures[STOCK]["total"] / figures[WORKER]["total"]
            until = [sum(figures[name][phase] for phase in PHASES[:-1]) for name in (STOCK, WORKER)]
            notes.append(
                f"Stock takes {ratio:.2f} times as long to the first audio, {until[0] / until[1]:.2f} times until it can begin."
            )
        columns = ["", *PHASES, "total", "processor time"]
        b.finish(columns, rows, figures, {name: as_json(runs) for name, runs in reports.items()}, notes=notes)


def _prepare(b: Bench) -> None:
    if b.options.weights == "disk":
        forget_cached_pages(b.model)


def _floor(b: Bench, task: Task) -> Report:
    _prepare(b)
    return b.torch_alone(task)


def _worker(b: Bench, task: Task) -> Report:
    _prepare(b)
    return b.worker(task)


def _stock(b: Bench, task: Task) -> Report:
    _prepare(b)
    return b.stock(task)


if __name__ == "__main__":
    main()
