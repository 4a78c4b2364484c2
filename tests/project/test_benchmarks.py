"""Every benchmark runs, with the smoke model: a table, a file of results, a plot. No figure is judged here."""

import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import handler
from benchmarks import (
    clips,
    cold_start,
    container_ready,
    import_budget,
    listening,
    load,
    long_text,
    memory,
    network_volume,
    plot_cold_start,
    plot_network_volume,
    streaming,
    warm_request,
    word_times,
)
from benchmarks.bench import FLOOR, RESULTS, STOCK, WORKER, Target, table
from benchmarks.contest import Arena, Spread, alternate, spread
from benchmarks.machine import describe_machine, in_words
from benchmarks.probes.protocol import Mark, Report, Task, Watches
from f5_worker.endpoints.health import WORD_TIMES_MEASURED
from tests import REPOSITORY
from tests.support.moosefs import missing as no_moosefs

# Stock F5-TTS has an environment of its own; here it runs in ours, with stand-ins for what ours leaves out.
STOCK_HERE = """
import runpy, sys
from tests.support.stock_f5tts import load_with_soundfile, stand_in
import torchaudio
stand_in("f5_tts.model.trainer", Trainer=object)
stand_in("librosa")
stand_in("librosa.filters", mel=None)
stand_in("cached_path", cached_path=None)
module = sys.argv[2]
sys.argv = sys.argv[2:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A command that takes the arguments of a Python with stock F5-TTS; nobody's, unless ``F5_TEST_STOCK=1`` gives it time."""
    if os.environ.get("F5_TEST_STOCK") != "1":
        return tmp_path_factory.mktemp("stock") / "nobody"
    script = tmp_path_factory.mktemp("stock") / "python"
    code, python = shlex.quote(STOCK_HERE), shlex.quote(sys.executable)
    # ``-c`` asks what can be imported (no torchcodec here), ``-m`` runs a probe.
    script.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exec {python} "$@"\nexec {python} -c {code} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


@pytest.fixture(scope="module", autouse=True)
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One folder for matplotlib's list of fonts, which stock's processes would make anew in each benchmark's home."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the benchmarks keep their models."""
    return tmp_path_factory.mktemp("models")


def measure(
    main: Callable[[Sequence[str]], None], folder: Path, models: Path, *more: str, stock: Path | str = ""
) -> dict[str, Any]:
    """Run a benchmark once, as small as it gets, and read its results."""
    arguments = ["--size", "smoke", "--device", "cpu", "--runs", "1", "--warm-ups", "0", "--repeats", "1"]
    main([*arguments, "--models", str(models), "--results", str(folder), "--stock", str(stock), *more])
    written = [path for path in folder.iterdir() if path.suffix == ".json"]
    assert len(written) == 1
    document: dict[str, Any] = json.loads(written[0].read_text(encoding="utf-8"))
    assert document["benchmark"] == written[0].stem
    assert {len(row) for row in document["table"]["rows"]} == {len(document["table"]["columns"])}
    private = [text for text in (str(folder), str(models), str(REPOSITORY), sys.prefix) if text in written[0].read_text()]
    assert private == []
    return document


def test_cold_start_and_its_plot(tmp_path: Path, models: Path, stock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = measure(cold_start.main, tmp_path, models, stock=stock)
    figures = document["figures"]
    contestants = [FLOOR, WORKER, *([STOCK] if stock.exists() else [])]
    assert list(figures) == contestants
    for name, missing in zip(contestants, ({"SDK", "first audio"}, set(), {"SDK"}), strict=False):
        assert {phase for phase in cold_start.PHASES if figures[name][phase] == 0} == missing
        parts = sum(figures[name][phase] for phase in cold_start.PHASES)
        assert parts == pytest.approx(figures[name]["total"], rel=1e-6)
    assert ("soundfile" in " ".join(document["notes"])) == stock.exists()
    said = capsys.readouterr().out
    assert all(name in said for name in (*contestants, *cold_start.PHASES))

    plot_cold_start.main(["--results", str(tmp_path)])
    drawing = (tmp_path / "cold_start.svg").read_text(encoding="utf-8")
    assert (tmp_path / "cold_start.png").read_bytes().startswith(b"\x89PNG")
    plot_cold_start.main(["--results", str(tmp_path)])
    assert (tmp_path / "cold_start.svg").read_text(encoding="utf-8") == drawing


@pytest.mark.skipif(
    os.environ.get("F5_TEST_NETWORK_VOLUME") != "1", reason="installs 8 GB twice, ten minutes: F5_TEST_NETWORK_VOLUME=1"
)
@pytest.mark.skipif(no_moosefs() is not None, reason=str(no_moosefs()))
def test_network_volume(tmp_path: Path, models: Path) -> None:
    figures = measure(network_volume.main, tmp_path, models, stock=tmp_path / "nobody")["figures"]
    assert [name for name in (*network_volume.FIRST, *network_volume.LATER) if name in figures] == [
        *network_volume.FIRST,
        *network_volume.LATER[:3],
    ]
    assert figures[network_volume.HOT]["trips"] < figures[network_volume.PLAIN]["trips"] / 10
    assert figures["copy"]["files"] > 10_000


def test_the_plot_of_the_network_volume(tmp_path: Path) -> None:
    starts: dict[str, dict[str, float]] = {
        name: {"seconds": 10.0 + number, "ratio": 1.0, "trips": 200}
        for number, name in enumerate((*network_volume.FIRST, *network_volume.LATER))
    }
    figures = {**starts, "weights": {"parallel dd": 500.0, "our reader": 450.0}}
    starts[network_volume.HOT]["bytes"] = 1e9
    verdicts = {target.what.split(" ")[0]: target.measured for target in network_volume.judge(figures)}
    assert verdicts["Parallel"] == pytest.approx(500 / 450)
    document = {"figures": figures, "machine": {"cores": 2, "cpu": "some", "gpu": None}}
    (tmp_path / "network_volume.json").write_text(json.dumps(document), encoding="utf-8")
    plot_network_volume.main(["--results", str(tmp_path)])
    drawing = (tmp_path / "network_volume.svg").read_text(encoding="utf-8")
    assert (tmp_path / "network_volume.png").read_bytes().startswith(b"\x89PNG")
    plot_network_volume.main(["--results", str(tmp_path)])
    assert (tmp_path / "network_volume.svg").read_text(encoding="utf-8") == drawing


def test_warm_request(tmp_path: Path, models: Path, stock: Path) -> None:
    document = measure(warm_request.main, tmp_path, models, stock=stock)
    for name in (WORKER, STOCK) if stock.exists() else (WORKER,):
        phases = document["figures"][name]
        assert {"DiT", "text embedding", "vocoder"} < phases.keys()
        assert all(value >= 0 for value in phases.values())
        parts = sum(value for phase, value in phases.items() if phase in warm_request.PHASES)
        assert parts == pytest.approx(phases["total"], rel=1e-6)
    assert [target["limit"] for target in document["targets"]] == [warm_request.LIMIT_MS]


def test_streaming(tmp_path: Path, models: Path) -> None:
    document = measure(streaming.main, tmp_path, models, "--sentences", "6", stock=tmp_path / "nobody")
    assert 0 < document["figures"]["share in per cent"] < 100


def test_load(tmp_path: Path, models: Path) -> None:
    document = measure(load.main, tmp_path, models, "--minutes", "0.3", "--post-faults", "10", stock=tmp_path / "nobody")
    assert list(document["figures"]) == list(load.PHASES)
    verdicts = {target["what"]: target["measured"] for target in document["targets"]}
    assert {what: measured for what, measured in verdicts.items() if what != "Growth of memory" and measured} == {}
    assert all(run["answered once"] and run["exit code"] == 0 for run in document["figures"].values())


def test_long_text(tmp_path: Path, models: Path, stock: Path) -> None:
    document = measure(long_text.main, tmp_path, models, "--sentences", "6", stock=stock)
    figures = document["figures"]
    ways = [f"{WORKER}, one by one", f"{WORKER}, batched", *([f"{STOCK}, stock's loop"] if stock.exists() else [])]
    assert list(figures)[: len(ways)] == ways
    assert all(int(row[2]) > 1 for row in document["table"]["rows"][: len(ways)])
    difference = figures["batched differs from one by one"]
    assert difference["largest difference"] <= 1e-4
    assert difference["largest sample"] > 1e-3


def test_memory_without_stock(tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = measure(memory.main, tmp_path, models, stock=tmp_path / "nobody")
    assert STOCK not in document["figures"]
    assert "Stock F5-TTS is left out" in capsys.readouterr().err
    peaks = document["figures"][WORKER]
    assert document["figures"]["torch alone"] < peaks["load"] <= peaks["all weights"] <= peaks["first audio"]


def test_import_budget_without_stock(tmp_path: Path, models: Path) -> None:
    document = measure(import_budget.main, tmp_path, models)
    assert document["figures"][WORKER]["modules"] > document["figures"][FLOOR]["modules"]
    assert document["figures"][FLOOR]["times torch"] == 1.0


def test_container_ready(tmp_path: Path, models: Path) -> None:
    document = measure(container_ready.main, tmp_path, models)
    assert document["figures"][WORKER] > 0
    assert document["figures"]["ratio"] == document["figures"][WORKER] / document["figures"][container_ready.BARE]


def test_the_readmes_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "resources", handler.resources)
    clips.main(tmp_path, "smoke")
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} == {name for _, name in clips.clips()}


def test_listening(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "resources", handler.resources)  # the benchmark puts its own in place
    document = measure(listening.main, tmp_path, models, "--sentences", "1")
    for steps in listening.NFE_STEPS:
        assert document["figures"][f"nfe_step={steps}"]["words"] == 5
    assert [len(heard) for heard in document["runs"].values()] == [1] * len(document["figures"])


def test_word_times(tmp_path: Path, models: Path) -> None:
    document = measure(word_times.main, tmp_path, models, "--sentences", "1")
    assert len(word_times.SENTENCES) == 40
    for figures in document["figures"].values():
        assert figures["words"] >= 11
        assert figures["dropped"] >= 3 or figures is document["figures"][word_times.WHISPER]
        assert figures["CPU seconds a minute"] > 0
    assert word_times.RECORDED in document["figures"]


def test_what_the_worker_says_of_word_times_was_measured() -> None:
    figures = json.loads((RESULTS / "word_times.json").read_text(encoding="utf-8"))["figures"]["all of flite"]
    found = 1 - len(figures["dropped and not found"]) / figures["dropped"]
    doubted = len(figures["said and doubted"]) / figures["said"]
    assert {
        **WORD_TIMES_MEASURED,
        "start_median_ms": round(figures["start median ms"]),
        "start_90th_percentile_ms": round(figures["start 90th percentile ms"]),
        "dropped_words_found": round(found, 3),
        "said_words_doubted": round(doubted, 4),
    } == WORD_TIMES_MEASURED


def test_a_process_that_fails_is_reported_with_its_log(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no such model'\nexit 3\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(RuntimeError, match=r"(?s)exit code 3.*no such model"):
        Arena(tmp_path).probe(str(broken), "stock", Task(what="cold", report=""))


# The parts


def test_contestants_take_turns_and_warm_ups_do_not_count() -> None:
    order: list[str] = []

    def turn(name: str) -> Callable[[], int]:
        def run() -> int:
            order.append(name)
            return len(order)

        return run

    results = alternate({"a": turn("a"), "b": turn("b")}, runs=3, warm_ups=1)
    assert order == ["b", "a", "a", "b", "b", "a", "a", "b"]
    assert results == {"a": [3, 6, 7], "b": [4, 5, 8]}


@pytest.mark.parametrize(
    ("values", "expected"),
    [([2.0], Spread(2.0, 2.0, 2.0)), ([3.0, 1.0, 2.0], Spread(2.0, 1.0, 3.0)), ([4.0, 1.0], Spread(2.5, 1.0, 4.0))],
)
def test_spread(values: list[float], expected: Spread) -> None:
    assert spread(values) == expected


def test_spread_in_words() -> None:
    assert Spread(1.234, 1.0, 2.0).text(1, 1000) == "1234.0 (1000.0 to 2000.0)"


def test_table() -> None:
    assert table(["", "s"], [["long name", "1"]]) == "|           | s |\n|-----------|---|\n| long name | 1 |"


@pytest.mark.parametrize(("measured", "verdict"), [(1.2, "holds"), (1.21, "MISSED"), (math.inf, "MISSED")])
def test_target(measured: float, verdict: str) -> None:
    assert str(Target("Load", measured, 1.2, "x")).endswith(verdict)


def test_phases_are_the_ways_between_marks() -> None:
    report = Report([Mark("interpreter", 0.5, 0.1, 1), Mark("imports", 2.0, 0.4, 2)])
    assert report.phases() == {"interpreter": 0.5, "imports": 1.5}


def test_watches_count_nested_time_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    class Model:
        def inner(self) -> None:
            now[0] += 2

        def outer(self) -> str:
            now[0] += 1
            self.inner()
            return "done"

    monkeypatch.setattr("benchmarks.probes.protocol.time.perf_counter", lambda: now[0])
    model, watches = Model(), Watches(lambda: None)
    watches.watch(model, "outer", "DiT")
    watches.watch(model, "inner", "text embedding")
    assert model.outer() == "done"
    model.inner()
    assert watches.take() == {"DiT": 1, "text embedding": 4}
    assert watches.take() == {}


def test_the_machine_is_described_without_paths(tmp_path: Path) -> None:
    machine = describe_machine(tmp_path)
    assert machine["cores"] >= 1
    assert machine["memory"] > 2**28
    assert str(tmp_path) not in in_words(machine)
