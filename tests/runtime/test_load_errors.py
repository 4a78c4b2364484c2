"""Every cause for which a model does not load, through the handler: told apart, explained, and gone when it is mended."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from f5_worker.errors import ModelUnavailableError
from f5_worker.model.engine import load_engine
from f5_worker.runtime import hub as hub_module
from f5_worker.runtime.load_errors import explain_load_error
from tests.support.bare_python import handler_without
from tests.support.bootstrap_packages import tmpfs
from tests.support.fresh_worker import QUICK, FreshWorker, said_in
from tests.support.hub_server import HubServer, hub_server
from tests.support.job_api import JobApi
from tests.support.processes import WorkerProcess, run_once, temporary_files

__all__ = ["tmpfs"]  # a fixture that comes from the helpers


# Files on a disk


def cut_short(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def other_vocabulary(folder: Path) -> None:
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "vocab.txt").write_text("".join(lines[:-7]), encoding="utf-8")


def other_configuration(folder: Path) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["model"]["arch"]["dim"] *= 2
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


class Intruder:
    """Unpickled by a careless loader, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (Path.touch, (self.path,))


def code_in_the_vocoder(folder: Path) -> None:
    load_engine().torch.save({"head": Intruder(folder / "intruder-was-here")}, folder / "vocos" / "pytorch_model.bin")


DAMAGES: list[tuple[Callable[[Path], None], str, str]] = [
    (
        lambda folder: (folder / "model.safetensors").unlink(),
        "CheckpointNotFoundError",
        "there is no file mine/model.safetensors",
    ),
    (cut_short, "CheckpointMismatchError", "damaged, cut short or in a format that is not allowed; delete the file"),
    (other_vocabulary, "CheckpointMismatchError", "trained with 2545 symbols, the vocabulary has 2538. Set F5TTS_VOCAB_FILE"),
    (other_configuration, "CheckpointMismatchError", "does not belong to the checkpoint"),
    (code_in_the_vocoder, "CheckpointMismatchError", "in a format that is not allowed"),
]


@pytest.mark.parametrize(("damage", "error_type", "said"), DAMAGES, ids=["missing", "cut", "vocabulary", "config", "code"])
def test_a_broken_model_folder_is_explained_and_works_once_it_is_mended(
    fresh_worker: FreshWorker, smoke_folder: Path, damage: Callable[[Path], None], error_type: str, said: str
) -> None:
    mine = fresh_worker.folder / "mine"
    shutil.copytree(smoke_folder, mine)
    fresh_worker.restart(F5TTS_MODEL=mine, MODEL_RETRY_SECONDS=0)
    damage(mine)
    answer = fresh_worker.ask(QUICK)
    assert answer["error"].startswith("Model not available: ")
    assert answer["error_type"] == error_type
    assert said in answer["error"]
    assert not (mine / "intruder-was-here").exists()
    assert fresh_worker.health()["model"]["error"] == answer["error"]
    shutil.copytree(smoke_folder, mine, dirs_exist_ok=True)
    fresh_worker.speaks()
    assert "error" not in fresh_worker.health()["model"]


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("F5TTS_MODEL", "F5TTS_v2", "is neither a configuration of f5-tts"),
        ("F5TTS_CKPT_FILE", "hf://model.safetensors", "is not of the form hf://owner/repo/file"),
        ("F5TTS_VOCAB_FILE", "/somewhere/vocab.txt", "F5TTS_VOCAB_FILE: there is no file somewhere/vocab.txt"),
        ("F5TTS_VOCODER_PATH", "/somewhere/vocos", "F5TTS_VOCODER_PATH: there is no file vocos/config.yaml"),
    ],
)
def test_a_setting_that_leads_nowhere_is_named(
    fresh_worker: FreshWorker, smoke_folder: Path, setting: str, value: str, said: str
) -> None:
    fresh_worker.set(F5TTS_MODEL=smoke_folder)
    fresh_worker.restart(**{setting: value})
    answer = fresh_worker.ask(QUICK)
    assert answer["error_type"] == "CheckpointNotFoundError"
    assert said in answer["error"]


# The model hub


@pytest.fixture
def hub(smoke_folder: Path) -> Iterator[HubServer]:
    """A hub that has the smoke model, its vocoder in a repository of its own."""
    files = {f"anna/tiny/{name}": (smoke_folder / name).read_bytes() for name in ("model.safetensors", "vocab.txt")}
    for name in ("config.yaml", "pytorch_model.bin"):
        files[f"vocoders/small/{name}"] = (smoke_folder / "vocos" / name).read_bytes()
    with hub_server(files) as server:
        yield server


@pytest.fixture
def from_hub(hub: HubServer, environment: dict[str, str], smoke_folder: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a worker that gets all but the configuration from ``hub``, and tries again at once."""
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copy(smoke_folder / "config.yaml", mine)
    return environment | {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "hub-cache"),
        "F5TTS_MODEL": str(mine),
        "F5TTS_CKPT_FILE": "hf://anna/tiny/model.safetensors",
        "F5TTS_VOCAB_FILE": "hf://anna/tiny/vocab.txt",
        "F5TTS_VOCODER_PATH": "hf://vocoders/small",
        "F5TTS_DEVICE": "cpu",
        "MODEL_RETRY_SECONDS": "0",
    }


def failed(worker: WorkerProcess) -> tuple[str, str]:
    """The error type and the error of a speech job."""
    result = worker.result(worker.api.submit(QUICK))
    return result["output"]["error_type"], result["error"]


def test_each_answer_of_the_hub_is_told_apart_and_what_it_has_is_downloaded_once(
    job_api: JobApi, hub: HubServer, from_hub: dict[str, str], tmp_path: Path
) -> None:
    files = hub.files
    with WorkerProcess(job_api, env=from_hub, cwd=tmp_path) as worker:
        hub.status = 403
        kind, error = failed(worker)
        assert kind == "CheckpointNotFoundError"
        assert "does not give access to the model file anna/tiny/vocab.txt; accept its terms there and set HF_TOKEN" in error
        hub.status = None
        for missing in ("anna/", "vocoders/small/pytorch_model.bin"):  # a repository, and a file in one
            hub.files = {name: data for name, data in files.items() if not name.startswith(missing)}
            kind, error = failed(worker)
            assert kind == "CheckpointNotFoundError"
            assert f"no such repository or file for the model file {missing}" in error
        hub.files = files
        assert worker.result(job_api.submit(QUICK))["output"]["status"] == "completed"
        downloads = [
            request for request in hub.requests if request.startswith("GET ") and request.removeprefix("GET ") in files
        ]
        assert sorted(downloads) == sorted(f"GET {name}" for name in files)
        assert "Downloading anna/tiny/model.safetensors from the model hub" in worker.log
        assert "Downloaded anna/tiny/model.safetensors: 1 MB in" in worker.log
        assert said_in(worker.log, hub.url, "HTTP Request", str(tmp_path)) == []

    del hub.requests[:]
    cached = from_hub | {"HF_HUB_OFFLINE": "1"}
    assert run_once({"input": QUICK}, env=cached, cwd=tmp_path).exit_code == 0
    assert hub.requests == []
    assert temporary_files(from_hub) == []


def test_a_full_disk_is_told_and_the_next_try_goes_on_once_there_is_room(
    job_api: JobApi, from_hub: dict[str, str], tmpfs: Path, tmp_path: Path
) -> None:
    filler = tmpfs / "filler"
    filler.write_bytes(bytes(2_300_000))
    with WorkerProcess(job_api, env=from_hub | {"HF_HOME": str(tmpfs)}, cwd=tmp_path) as worker:
        kind, error = failed(worker)
        assert kind == "DiskFullError"
        assert "The disk is full: the model file anna/tiny/model.safetensors does not fit. Free space" in error
        filler.unlink()
        assert worker.result(job_api.submit(QUICK))["output"]["status"] == "completed"
        assert said_in(worker.log, str(tmpfs), str(tmp_path)) == []


def test_a_download_logs_its_progress_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(hub_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    bar = hub_module._progress("F5TTS_v1_Base/model.safetensors")(total=1_350_000_000, initial=0, unit="B", name="hub")
    for _ in range(45):
        now[0] += 1
        bar.update(20_000_000)
    bar.close()
    assert [line.partition("| ")[2] for line in capsys.readouterr().out.splitlines()] == [
        f"Downloading model.safetensors: {done} MB of 1350 MB ({share}%)"
        for done, share in ((200, 15), (400, 30), (600, 44), (800, 59))
    ]


def test_what_nobody_foresaw_is_traced_in_the_log_without_paths(capsys: pytest.CaptureFixture[str]) -> None:
    def read() -> None:
        raise OSError(5, "Input/output error", "/srv/hunter2/model.safetensors")

    try:
        try:
            read()
        except OSError as error:
            raise RuntimeError("cannot read https://hub.example/file?token=hunter2 now") from error
    except RuntimeError as error:
        explained = explain_load_error(error, "the model file tiny")
    assert type(explained) is ModelUnavailableError
    assert explained.message == "the model file tiny could not be loaded: cannot read now; the worker's log has the details."
    log = capsys.readouterr().out
    assert re.search(
        r"RuntimeError in test_load_errors\.py:\d+ \(cannot read now\), from OSError in test_load_errors\.py:\d+ \(.*error", log
    )
    assert "hunter2" not in log + str(explained.answer())


# Packages


@pytest.mark.parametrize(("distribution", "package"), [("torch", "torch"), ("f5-tts", "f5_tts"), ("soundfile", "soundfile")])
def test_a_missing_package_is_named(environment: dict[str, str], tmp_path: Path, distribution: str, package: str) -> None:
    command = handler_without(tmp_path / "packages", distribution)
    run = run_once(
        {"input": QUICK}, env=environment | {"F5TTS_MODEL": "smoke", "F5TTS_DEVICE": "cpu"}, cwd=tmp_path, command=command
    )
    assert run.exit_code == 1
    assert f"The Python package {package} is not installed. Start the worker through start.sh" in (run.error or "")
    assert said_in(run.log, str(tmp_path)) == []


def test_speech_needs_no_package_that_this_job_does_not_use(environment: dict[str, str], tmp_path: Path) -> None:
    left_out = ("transformers", "tokenizers", "boto3", "botocore", "av", "huggingface-hub", "pypinyin")
    command = handler_without(tmp_path / "packages", *left_out)
    run = run_once(
        {"input": QUICK}, env=environment | {"F5TTS_MODEL": "smoke", "F5TTS_DEVICE": "cpu"}, cwd=tmp_path, command=command
    )
    assert (run.error, run.exit_code) == (None, 0)
