"""Loading: what is loaded equals what is in the file, nothing is initialised at random, and every fault has its own error."""

import json
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap.places import FOLDER
from f5_worker.errors import (
    CheckpointMismatchError,
    CheckpointNotFoundError,
    HubUnreachableError,
    ModelUnavailableError,
)
from f5_worker.model.checkpoint import check_fit, read_checkpoint
from f5_worker.model.engine import load_engine
from f5_worker.model.fp16_copy import THREAD, copy_folder, find_copy, keep_copy
from f5_worker.model.load import LoadedModel, load_model
from f5_worker.settings import load_settings
from tests import PATIENCE


@pytest.fixture
def folder(smoke_folder: Path, tmp_path: Path) -> Path:
    """A model folder of the test's own."""
    return Path(shutil.copytree(smoke_folder, tmp_path / "model"))


def load(folder: Path | str, **environment: str) -> LoadedModel:
    return load_model(load_settings({"F5TTS_MODEL": str(folder), "F5TTS_DEVICE": "cpu", **environment}))


def change_config(folder: Path, part: str, **values: Any) -> None:
    """Set values of the model's configuration; ``None`` takes one away."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    given = {**config["model"][part], **values}
    config["model"][part] = {name: value for name, value in given.items() if value is not None}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def keep_and_wait(weights: Mapping[str, Any], source: Path, copies: Path) -> None:
    keep_copy(weights, source, copies)
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join(PATIENCE)


class TestWeights:
    def test_every_parameter_is_the_files(self, smoke_folder: Path) -> None:
        from safetensors.torch import load_file

        model = load(smoke_folder)
        torch = model.engine.torch
        stored = load_file(smoke_folder / "model.safetensors")
        state = model.cfm.state_dict()
        assert {f"ema_model.{name}" for name in state} == set(stored)
        assert all(torch.equal(tensor, stored[f"ema_model.{name}"]) for name, tensor in state.items())
        assert not any(parameter.requires_grad for parameter in model.cfm.parameters())
        assert not model.cfm.training
        assert not model.vocoder.training

    def test_weights_start_where_the_cpu_kernels_want_them(self, smoke_folder: Path, tmp_path: Path) -> None:
        # The length of the header decides where the tensors start: every length must give the same model.
        original = (smoke_folder / "model.safetensors").read_bytes()
        size = int.from_bytes(original[:8], "little")
        torch = load_engine().torch
        expected = read_checkpoint(smoke_folder / "model.safetensors")
        for padding in (8, 16, 24, 56):
            path = tmp_path / f"{padding}.safetensors"
            path.write_bytes(
                (size + padding).to_bytes(8, "little") + original[8 : 8 + size] + b" " * padding + original[8 + size :]
            )
            read = read_checkpoint(path)
            assert all(tensor.data_ptr() % 16 == 0 for tensor in read.values())
            assert all(torch.equal(tensor, expected[name]) for name, tensor in read.items())

    def test_nothing_is_initialised_at_random(self, smoke_folder: Path) -> None:
        torch = load_engine().torch
        before = torch.random.get_rng_state()
        load(smoke_folder)
        assert torch.equal(torch.random.get_rng_state(), before)
        assert torch.nn.init.kaiming_uniform_(torch.zeros(4, 4)).abs().sum() > 0  # the initialisers are back in place

    def test_a_pickled_checkpoint_with_ema_weights_loads(self, folder: Path) -> None:
        torch = load_engine().torch
        weights = read_checkpoint(folder / "model.safetensors")
        ema = {f"ema_model.{name}": tensor for name, tensor in weights.items()}
        path = folder / "model.pt"
        torch.save({"ema_model_state_dict": {**ema, "initted": torch.tensor(True), "step": torch.tensor(7)}}, path)
        model = load(folder, F5TTS_CKPT_FILE=str(path))
        assert all(torch.equal(tensor, weights[name]) for name, tensor in model.cfm.state_dict().items())

    def test_a_pickle_with_code_in_it_is_refused(self, folder: Path) -> None:
        import pickle

        class Harm:
            def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
                return (Path.touch, (Path(str(folder / "harmed")),))  # type: ignore[return-value]

        (folder / "model.pt").write_bytes(pickle.dumps(Harm(), protocol=2))
        with pytest.raises(CheckpointMismatchError, match="format that is not allowed"):
            load(folder, F5TTS_CKPT_FILE=str(folder / "model.pt"))
        assert not (folder / "harmed").exists()

    def test_single_parts_are_replaced(self, folder: Path, tmp_path: Path) -> None:
        parts = {"F5TTS_CKPT_FILE": "model.safetensors", "F5TTS_VOCAB_FILE": "vocab.txt", "F5TTS_VOCODER_PATH": "vocos"}
        for setting, name in parts.items():
            elsewhere = tmp_path / "elsewhere" / name
            elsewhere.parent.mkdir(exist_ok=True)
            shutil.move(folder / name, elsewhere)
            assert load(folder, **{setting: str(elsewhere)}).vocab
            shutil.move(elsewhere, folder / name)


class TestFaults:
    def test_no_such_model(self) -> None:
        with pytest.raises(CheckpointNotFoundError, match=r"F5TTS_MODEL='F5TTS_v2'.*F5TTS_v1_Base.*smoke.*folder"):
            load("F5TTS_v2")

    def test_a_configuration_without_published_checkpoint(self) -> None:
        with pytest.raises(CheckpointNotFoundError, match="F5TTS_v1_Small has no published checkpoint; set F5TTS_CKPT_FILE"):
            load("F5TTS_v1_Small")

    @pytest.mark.parametrize(
        "name", ["config.yaml", "model.safetensors", "vocab.txt", "vocos/config.yaml", "vocos/pytorch_model.bin"]
    )
    def test_each_missing_file_is_named(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        with pytest.raises(CheckpointNotFoundError, match=Path(name).name):
            load(folder)

    @pytest.mark.parametrize("name", ["model.safetensors", "vocos/pytorch_model.bin"])
    @pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.999])
    def test_a_file_cut_short(self, folder: Path, name: str, keep: float) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(len(data) * keep)])
        with pytest.raises(CheckpointMismatchError, match="damaged, cut short"):
            load(folder)

    @pytest.mark.parametrize("name", ["model.safetensors", "vocos/pytorch_model.bin"])
    def test_a_page_in_place_of_a_file(self, folder: Path, name: str) -> None:
        (folder / name).write_text("<!DOCTYPE html><html>Not found</html>" * 100)
        with pytest.raises(CheckpointMismatchError, match="damaged, cut short"):
            load(folder)

    def test_another_vocabulary(self, folder: Path) -> None:
        lines = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
        (folder / "vocab.txt").write_text("\n".join(lines[:-100]) + "\n", encoding="utf-8")
        with pytest.raises(CheckpointMismatchError, match=r"trained with 2545 symbols, the vocabulary has 2446") as caught:
            load(folder)
        assert caught.value.details == {"checkpoint_symbols": 2545, "vocabulary_symbols": 2446}

    def test_another_architecture(self, folder: Path) -> None:
        change_config(folder, "arch", depth=3)
        with pytest.raises(CheckpointMismatchError, match=r"model\.arch\.depth is 3; the checkpoint has \d"):
            load(folder)
        change_config(folder, "arch", depth=None, conv_layers=3)
        with pytest.raises(CheckpointMismatchError, match="do not"):
            load(folder)

    @pytest.mark.parametrize(
        ("part", "values"),
        [
            ("arch", {"depth": 1_000_000}),
            ("arch", {"heads": 10**9}),
            ("arch", {"dim_head": 10**12}),
            ("arch", {"conv_layers": 10**7}),
            ("arch", {"ff_mult": -1}),
            ("arch", {"nonsense": 1}),
            ("arch", {"dim": "wide"}),
            ("arch", {"heads": 0}),
            ("mel_spec", {"n_fft": 10**12}),
            ("mel_spec", {"n_mel_channels": 0}),
            ("mel_spec", {"win_length": "long"}),
        ],
        ids=str,
    )
    def test_values_that_no_model_has_are_named_and_never_built(self, folder: Path, part: str, values: dict[str, Any]) -> None:
        change_config(folder, part, **values)
        with pytest.raises(CheckpointMismatchError, match=r"(Use|use|to) the"):
            load(folder)

    @pytest.mark.parametrize("path", ["os.system", "subprocess.Popen", "vocos.models.Backbone", "builtins.exec", 7])
    @pytest.mark.parametrize("part", ["feature_extractor", "backbone", "head"])
    def test_a_vocoders_configuration_runs_no_code(self, folder: Path, part: str, path: object) -> None:
        config = folder / "vocos" / "config.yaml"
        document = yaml.safe_load(config.read_text())
        document[part] = {"class_path": path, "init_args": {"command": f"touch {folder / 'harmed'}"}}
        config.write_text(yaml.safe_dump(document))
        with pytest.raises(CheckpointMismatchError, match=rf"{part}\.class_path is .*; allowed: vocos\."):
            load(folder)
        assert not (folder / "harmed").exists()

    @pytest.mark.parametrize("document", [[], {"backbone": 1}, {"head": {}}, None])
    def test_a_vocoders_configuration_that_is_none(self, folder: Path, document: object) -> None:
        (folder / "vocos" / "config.yaml").write_text(yaml.safe_dump(document))
        with pytest.raises(CheckpointMismatchError, match=r"config\.yaml does not belong"):
            load(folder)

    def test_a_vocoder_is_not_built_beyond_its_checkpoint(self, folder: Path) -> None:
        config = folder / "vocos" / "config.yaml"
        document = yaml.safe_load(config.read_text())
        document["backbone"]["init_args"]["num_layers"] = 10**7
        config.write_text(yaml.safe_dump(document))
        with pytest.raises(CheckpointMismatchError, match=r"backbone\.init_args\.num_layers is 10000000"):
            load(folder)

    def test_tensors_that_are_missing_unknown_or_of_another_shape(self) -> None:
        with pytest.raises(
            CheckpointMismatchError, match=r"1 tensors are missing \(first a\).*1 are unknown \(first d\).*1 have"
        ):
            check_fit({"a": (1,), "b": (2,), "c": (3,)}, {"b": (2,), "c": (4,), "d": (1,)}, 10)
        check_fit({"a": (1,)}, {"a": (1,)}, 10)

    @pytest.mark.parametrize("text", ["", "just text", "model: 3", "[1, 2", "model:\n  backbone: DiT\n", "\x00\x01"])
    def test_a_configuration_that_is_none(self, folder: Path, text: str) -> None:
        (folder / "config.yaml").write_text(text)
        with pytest.raises(CheckpointMismatchError, match="not an f5-tts model configuration"):
            load(folder)

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("backbone", "MMDiT", "backbone is 'MMDiT'"),
            ("mel_spec_type", "bigvgan", "mel_spec_type is 'bigvgan', not 'vocos'"),
            ("target_sample_rate", 44100, "target_sample_rate is 44100, not 24000"),
            ("hop_length", None, "hop_length is None, not 256"),
        ],
    )
    def test_what_is_not_supported(self, folder: Path, name: str, value: object, said: str) -> None:
        config = yaml.safe_load((folder / "config.yaml").read_text())
        part = config["model"] if name == "backbone" else config["model"]["mel_spec"]
        part[name] = value
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        with pytest.raises(CheckpointMismatchError, match=said):
            load(folder)

    def test_cuda_demanded_where_there_is_none(self, smoke_folder: Path) -> None:
        torch = load_engine().torch
        if torch.cuda.is_available():
            pytest.skip("there is a GPU here")
        with pytest.raises(ModelUnavailableError, match="F5TTS_DEVICE=cuda"):
            load(smoke_folder, F5TTS_DEVICE="cuda")

    def test_hub_unreachable_names_the_ways_out(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        import huggingface_hub.constants

        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(HubUnreachableError, match=r"F5TTS_MODEL.*F5TTS_CKPT_FILE.*F5TTS_MODEL=demo"):
            load("F5TTS_v1_Base")


class TestHubFiles:
    def put(self, hub: Path, repo: str, names: dict[str, Path]) -> None:
        base = hub / f"models--{repo.replace('/', '--')}"
        snapshot = base / "snapshots" / "abc"
        for name, source in names.items():
            (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, snapshot / name)
        (base / "refs").mkdir(exist_ok=True)
        (base / "refs" / "main").write_text("abc")

    @pytest.mark.parametrize("where", ["image/f5-tts-worker/hub", "volume/huggingface-cache/hub", "home/hub"])
    def test_cached_models_are_used_without_the_hub(
        self, smoke_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
    ) -> None:
        hub = tmp_path / where
        monkeypatch.delenv("HF_HUB_CACHE", raising=False)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("F5_IMAGE_ROOT", str(tmp_path / "image"))
        self.put(
            hub, "me/mine", {"m/model.safetensors": smoke_folder / "model.safetensors", "v.txt": smoke_folder / "vocab.txt"}
        )
        vocoder = smoke_folder / "vocos"
        files = {name: vocoder / name for name in ("config.yaml", "pytorch_model.bin")}
        self.put(hub, "charactr/vocos-mel-24khz", files)
        model = load(
            smoke_folder,
            NETWORK_VOLUME=str(tmp_path / "volume"),
            F5TTS_CKPT_FILE="hf://me/mine/m/model.safetensors",
            F5TTS_VOCAB_FILE="hf://me/mine/v.txt",
            F5TTS_VOCODER_PATH="hf://charactr/vocos-mel-24khz",
        )
        assert model.vocab

    @pytest.mark.parametrize("source", ["hf://", "hf://me", "hf://me/mine", "hf://me/mine/"])
    def test_malformed_sources_are_refused(self, smoke_folder: Path, source: str) -> None:
        with pytest.raises(CheckpointNotFoundError, match="hf://owner/repo/file"):
            load(smoke_folder, F5TTS_CKPT_FILE=source)


class TestHalfCopy:
    def test_lies_in_the_workers_own_folder_of_the_volume(self, tmp_path: Path) -> None:
        assert copy_folder(tmp_path) == tmp_path / FOLDER / "fp16"

    def test_is_kept_once_found_and_equal(self, folder: Path, tmp_path: Path) -> None:
        torch = load_engine().torch
        source, copies = folder / "model.safetensors", copy_folder(tmp_path)
        assert find_copy(source, copies) is None
        half = {name: tensor.half() for name, tensor in read_checkpoint(source).items()}
        keep_and_wait(half, source, copies)
        copy = find_copy(source, copies)
        assert copy is not None
        assert copy.stat().st_size < 0.6 * source.stat().st_size
        assert all(torch.equal(tensor, half[name]) for name, tensor in read_checkpoint(copy).items())
        written = copy.stat().st_mtime_ns
        keep_and_wait(half, source, copies)
        assert copy.stat().st_mtime_ns == written
        assert [path.name for path in copies.iterdir()] == [copy.name]

    def test_another_source_is_not_taken_for_it(self, folder: Path, tmp_path: Path) -> None:
        source, copies = folder / "model.safetensors", copy_folder(tmp_path)
        keep_and_wait(read_checkpoint(source), source, copies)
        data = bytearray(source.read_bytes())
        data[-1] ^= 1
        source.write_bytes(data)
        assert find_copy(source, copies) is None

    def test_a_volume_that_cannot_be_written_changes_nothing(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "file").write_text("")
        keep_and_wait(read_checkpoint(folder / "model.safetensors"), folder / "model.safetensors", tmp_path / "file")
        assert "could not be kept" in capsys.readouterr().out

    def test_what_a_killed_writer_left_is_removed(self, folder: Path, tmp_path: Path) -> None:
        import os

        copies = copy_folder(tmp_path)
        copies.mkdir(parents=True)
        for name, age in ((".old.part", 7200), (".new.part", 0)):
            (copies / name).write_text("half")
            moment = (copies / name).stat().st_mtime - age
            os.utime(copies / name, (moment, moment))
        source = folder / "model.safetensors"
        keep_and_wait(read_checkpoint(source), source, copies)
        assert not (copies / ".old.part").exists()
        assert (copies / ".new.part").exists()


def test_load_times_are_reported(smoke_model: LoadedModel) -> None:
    assert json.loads(json.dumps(dict(smoke_model.load_seconds))).keys() == {"files", "imports", "weights"}
