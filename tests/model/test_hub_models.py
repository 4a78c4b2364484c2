"""Models of other languages and of any repository: which files are theirs, and which configuration they were trained with."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from f5_worker.errors import CheckpointNotFoundError
from f5_worker.model.community import COMMUNITY, CommunityModel
from f5_worker.model.configuration import by_tensors, named
from f5_worker.model.engine import load_engine
from f5_worker.model.files import ModelFiles, configuration_doubt, locate_model, official_configs
from f5_worker.model.repository import pick_files
from f5_worker.settings import load_settings
from tests.support.fresh_worker import QUICK, FreshWorker
from tests.support.hub_server import HubServer, hub_server
from tests.support.job_api import JobApi
from tests.support.processes import WorkerProcess, run_once

NEW, OLD = (), ("ema_model.mel_spec.mel_stft.spectrogram.window",)


def checkpoint(path: Path, depth: int = 22, more: tuple[str, ...] = NEW, block: str = "transformer_blocks") -> Path:
    """A file with the names of a checkpoint's tensors, and hardly any weights."""
    torch = load_engine().torch
    names = [f"ema_model.transformer.{block}.{number}.attn.to_q.weight" for number in range(depth)]
    weights = {name: torch.zeros(1) for name in (*names, *more)}
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(weights, path)
    else:
        torch.save({"ema_model_state_dict": weights}, path)
    return path


def put(cache: Path, repo: str, *names: str) -> Path:
    """Files in the hub's cache, as a download leaves them."""
    snapshot = cache / f"models--{repo.replace('/', '--')}" / "snapshots" / "abc"
    for name in names:
        if name.endswith((".safetensors", ".pt")):
            checkpoint(snapshot / name)
        else:
            (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
            (snapshot / name).write_text("\n")
    return snapshot


@pytest.fixture
def vocos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The vocoder in the hub's cache, which is ``tmp_path``; the hub cannot be reached."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    return put(tmp_path, "charactr/vocos-mel-24khz", "config.yaml", "pytorch_model.bin")


def locate(**environment: str) -> ModelFiles:
    return locate_model(load_settings({**environment, "NETWORK_VOLUME": "/nowhere"}))


# Community models


@pytest.mark.parametrize(("name", "model"), COMMUNITY.items())
def test_a_community_model_is_found_by_each_of_its_names(vocos: Path, tmp_path: Path, name: str, model: CommunityModel) -> None:
    snapshot = put(tmp_path, model.repo, model.checkpoint, model.vocab, "other/model_1.safetensors")
    names = ({"F5TTS_MODEL": name.upper()}, {"F5TTS_MODEL": f"hf://{model.repo}"})
    # The checkpoint alone brings its configuration and its vocabulary too.
    for settings in (*names, {"F5TTS_CKPT_FILE": f"hf://{model.repo}/{model.checkpoint}"}):
        assert locate(**settings) == ModelFiles(
            name=settings.get("F5TTS_MODEL", "F5TTS_v1_Base"),
            config=official_configs()[model.config],
            checkpoint=snapshot / model.checkpoint,
            vocab=snapshot / model.vocab,
            vocoder_config=vocos / "config.yaml",
            vocoder_weights=vocos / "pytorch_model.bin",
        )


@pytest.mark.usefixtures("vocos")
def test_a_community_models_checkpoint_under_another_configuration_is_told(tmp_path: Path) -> None:
    german = COMMUNITY["de"]
    put(tmp_path, german.repo, german.checkpoint, german.vocab)
    found = locate(F5TTS_MODEL="F5TTS_v1_Base", F5TTS_CKPT_FILE=german.source(german.checkpoint))
    assert found.config.stem == "F5TTS_v1_Base"  # what the user has set is taken
    assert "was trained as F5TTS_Base and is used as F5TTS_v1_Base" in str(found.warning)


# A checkpoint without its configuration


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
@pytest.mark.parametrize(
    ("depth", "block", "more", "expected"),
    [
        (22, "transformer_blocks", NEW, ("F5TTS_v1_Base", False)),
        (22, "transformer_blocks", OLD, ("F5TTS_Base", True)),
        (18, "transformer_blocks", NEW, ("F5TTS_v1_Small", False)),
        (18, "transformer_blocks", OLD, ("F5TTS_Small", True)),
        (24, "layers", NEW, ("E2TTS_Base", False)),
        (7, "transformer_blocks", NEW, (None, False)),
    ],
)
def test_tensors_tell_the_size_and_what_is_of_before_v1(
    tmp_path: Path, suffix: str, depth: int, block: str, more: tuple[str, ...], expected: tuple[str | None, bool]
) -> None:
    assert by_tensors(checkpoint(tmp_path / f"model.{suffix}", depth, more, block)) == expected


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_a_file_that_is_no_checkpoint_tells_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"<html>")
    assert by_tensors(tmp_path / name) == (None, False)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("hf://SWivid/F5-TTS/F5TTS_v1_Base/model_1250000.safetensors", "F5TTS_v1_Base"),
        ("hf://SWivid/F5-TTS/F5TTS_Base/model_1200000.safetensors", "F5TTS_Base"),
        ("hf://SWivid/E2-TTS/E2TTS_Base/model_1200000.safetensors", "E2TTS_Base"),
        ("/models/f5tts-v1-base_mine.pt", "F5TTS_v1_Base"),
        ("/F5TTS_v1_Base/F5TTS_Small.pt", "F5TTS_Small"),
        ("hf://anna/F5-TTS-mine/model.pt", None),
        ("/models/base.pt", None),
    ],
)
def test_a_path_may_name_the_configuration(source: str, expected: str | None) -> None:
    assert named(source) == expected
    assert expected is None or expected in official_configs()


@pytest.mark.parametrize(
    ("more", "folder", "model", "config", "warning"),
    [
        (
            NEW,
            "mine",
            None,
            "F5TTS_v1_Base",
            "is not; the checkpoint was taken for F5TTS_v1_Base. If it was trained as F5TTS_B",
        ),
        (OLD, "mine", None, "F5TTS_Base", "is not; the checkpoint is of before v1, so it was taken for F5TTS_Base."),
        (NEW, "F5TTS_Base", None, "F5TTS_Base", None),
        (NEW, "mine", "F5TTS_v1_Base", "F5TTS_v1_Base", None),
        (NEW, "mine", "F5TTS_Base", "F5TTS_Base", None),
        (OLD, "mine", "F5TTS_Base", "F5TTS_Base", None),
        (OLD, "mine", "F5TTS_v1_Base", "F5TTS_v1_Base", "was trained as F5TTS_Base and is used as F5TTS_v1_Base"),
    ],
)
@pytest.mark.usefixtures("vocos")
def test_a_checkpoint_alone_is_taken_for_what_it_says_or_with_a_warning(
    tmp_path: Path, more: tuple[str, ...], folder: str, model: str | None, config: str, warning: str | None
) -> None:
    settings = {"F5TTS_CKPT_FILE": str(checkpoint(tmp_path / folder / "model.safetensors", more=more))}
    settings |= {"F5TTS_MODEL": model} if model else {}
    found = locate(**settings)
    assert found.config.stem == config
    assert (found.warning is None) == (warning is None)
    assert (warning or "") in (found.warning or "")
    assert (configuration_doubt(load_settings(settings)) is None) == (model is not None or folder == "F5TTS_Base")


@pytest.mark.usefixtures("vocos")
def test_the_images_own_model_is_no_choice_of_the_users(tmp_path: Path) -> None:
    image = tmp_path / "opt" / "f5-tts-worker" / "model"
    for name in ("config.yaml", "vocos/config.yaml", "vocos/pytorch_model.bin"):
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        (image / name).write_text("")
    found = locate(F5TTS_MODEL=str(image), F5TTS_CKPT_FILE=str(checkpoint(tmp_path / "mine.pt", more=OLD)))
    assert found.config.stem == "F5TTS_Base"
    assert found.warning is not None
    assert found.vocoder_config == image / "vocos" / "config.yaml"


def test_health_says_before_any_load_that_the_configuration_is_told_by_nothing(
    fresh_worker: FreshWorker, smoke_folder: Path
) -> None:
    fresh_worker.restart(F5TTS_MODEL="", F5TTS_CKPT_FILE=str(smoke_folder / "model.safetensors"))
    (warning,) = fresh_worker.ask({"endpoint": "health"})["warnings"]
    assert warning.startswith("F5TTS_CKPT_FILE is set, and F5TTS_MODEL is not; set F5TTS_MODEL to the configuration")


def test_answers_and_health_have_the_warning_of_the_loaded_model(
    fresh_worker: FreshWorker, smoke_folder: Path, tmp_path: Path
) -> None:
    image = Path(shutil.copytree(smoke_folder, tmp_path / "f5-tts-worker" / "model"))
    fresh_worker.restart(
        F5TTS_MODEL=str(image), F5TTS_CKPT_FILE=str(image / "model.safetensors"), F5TTS_VOCAB_FILE=str(image / "vocab.txt")
    )
    warnings = fresh_worker.ask(QUICK)["warnings"]
    assert "F5TTS_MODEL is not; the configuration of the image's own model was taken" in warnings[0]
    assert fresh_worker.ask({"endpoint": "health"})["warnings"] == warnings


# Any repository


@pytest.mark.parametrize(
    ("files", "inside", "expected"),
    [
        ("model.safetensors vocab.txt", "", "model.safetensors vocab.txt"),
        ("model.pt model.safetensors vocab.txt README.md", "", "model.safetensors vocab.txt"),
        ("a/model_5.pt vocab.txt a/setting.yaml", "", "a/model_5.pt vocab.txt a/setting.yaml"),
        ("model_1000.pt model_25000.pt model_last.pt", "", "model_last.pt"),
        ("model_9000.pt model_25000.pt vocab_de.txt", "", "model_25000.pt vocab_de.txt"),
        ("c/pretrained_model_1200000.pt c/model_500.pt data/x/vocab.txt", "", "c/model_500.pt data/x/vocab.txt"),
        ("old/model.pt old/vocab.txt new/model.pt new/vocab.txt", "new", "new/model.pt new/vocab.txt"),
        ("a.pt b.pt vocab.txt", "b.pt", "b.pt vocab.txt"),
        ("best.pt optimizer.pt vocos/pytorch_model.bin vocos/config.yaml config.yaml", "", "best.pt config.yaml vocos"),
        ("best.pt sub/other.pt x.txt", "", "best.pt"),
    ],
)
def test_the_files_of_a_repository_are_picked_by_rules(files: str, inside: str, expected: str) -> None:
    picked = pick_files(files.split(), "hf://a/b", inside)
    assert [path for path in (picked.checkpoint, picked.vocab, picked.config, picked.vocoder) if path] == expected.split()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("README.md vocab.txt", "hf://a/b has no checkpoint"),
        ("vocos/model.safetensors optimizer.pt", "hf://a/b has no checkpoint"),
        (
            "a.pt b.pt",
            r"hf://a/b has several checkpoints \(a.pt, b.pt\); say which one: F5TTS_MODEL=hf://owner/repo/folder, or",
        ),
        ("v0/model.pt v1/model.pt", r"several checkpoints \(v0/model.pt, v1/model.pt\)"),
        ("model.pt vocab_a.txt vocab_b.txt", r"several vocabularies \(vocab_a.txt, vocab_b.txt\); set F5TTS_VOCAB_FILE"),
    ],
)
def test_what_is_not_there_or_not_clear_is_said(files: str, message: str) -> None:
    with pytest.raises(CheckpointNotFoundError, match=message):
        pick_files(files.split(), "hf://a/b")


@pytest.mark.parametrize("model", ["hf://", "hf://anna", "hf://anna/", "hf:///mine", "hf://an na/mine"])
def test_a_malformed_repository_is_refused(model: str) -> None:
    with pytest.raises(CheckpointNotFoundError, match=f"F5TTS_MODEL='{model}' is not of the form hf://owner/repo"):
        locate(F5TTS_MODEL=model)


def test_a_repository_without_its_scheme_is_recognised() -> None:
    with pytest.raises(CheckpointNotFoundError, match=r"did you mean hf://anna/mine\?.*community model \(de, es, fi"):
        locate(F5TTS_MODEL="anna/mine")


@pytest.fixture
def hub(smoke_folder: Path) -> Iterator[HubServer]:
    """A hub with a whole model in one repository, and two in another."""
    files = {path.relative_to(smoke_folder).as_posix(): path.read_bytes() for path in smoke_folder.rglob("*") if path.is_file()}
    two = {f"anna/two/{folder}/model.safetensors": b"" for folder in ("a", "b")}
    with hub_server({f"anna/whole/{name}": data for name, data in files.items()} | two) as server:
        yield server


def test_a_repository_speaks_and_again_without_the_hub(
    hub: HubServer, job_api: JobApi, environment: dict[str, str], tmp_path: Path
) -> None:
    here = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "cache"), "F5TTS_DEVICE": "cpu"}
    whole = environment | here | {"F5TTS_MODEL": "hf://anna/whole"}
    with WorkerProcess(job_api, env=whole, cwd=tmp_path) as worker:
        answer = worker.result(job_api.submit(QUICK))["output"]
        assert (answer["status"], answer["warnings"]) == ("completed", [])
    assert "LIST anna/whole" in hub.requests
    for settings, error in (
        ({"F5TTS_MODEL": "hf://anna/two"}, "hf://anna/two has several checkpoints (a/model.safetensors, b/model.safetensors)"),
        ({"F5TTS_MODEL": "hf://anna/none"}, "no such repository or file for the list of files of anna/none"),
        (
            {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "other"), "RUNPOD_POD_ID": "pod"},  # where no model stands in
            "cannot be reached and the list of files of anna/whole is",
        ),
    ):
        assert error in str(run_once({"input": QUICK}, env=whole | settings, cwd=tmp_path).error)
    del hub.requests[:]
    assert run_once({"input": QUICK}, env=whole | {"HF_HUB_OFFLINE": "1"}, cwd=tmp_path).exit_code == 0
    assert hub.requests == []
