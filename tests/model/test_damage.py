"""Files of a model in every way in which they go wrong: the answer names the file or the field, and what it should be."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from f5_worker.errors import CheckpointMismatchError, ModelUnavailableError
from f5_worker.model.engine import load_engine
from f5_worker.model.load import load_model
from f5_worker.settings import load_settings
from tests.support.fresh_worker import QUICK, FreshWorker

Weights = Mapping[str, Any]
PYTHON = re.compile(
    r"object|NoneType|__init__|argument|invalid literal|codec can't|index out of|unhashable|unsupported"
    r"|has no attribute|not supported|division by|unpack|failed unexpectedly|the worker's log"
)
"""What Python says of its own, and whoever looks after an endpoint should not have to read."""

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 1348435761\n"
CHECKPOINT, VOCAB, VOCODER = "mine/model.safetensors", "mine/vocab.txt", "vocos/pytorch_model.bin"


@pytest.fixture
def folder(smoke_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(smoke_folder, tmp_path / "mine"))


def explained(folder: Path) -> str:
    with pytest.raises(ModelUnavailableError) as caught:
        load_model(load_settings({"F5TTS_MODEL": str(folder), "F5TTS_DEVICE": "cpu"}))
    assert PYTHON.search(caught.value.message) is None
    assert str(folder) not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.txt", "vocos/pytorch_model.bin"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (POINTER, "a pointer of Git LFS"),
        (b"<!DOCTYPE html><title>401</title>", "an HTML or XML page"),
        (b"\x1f\x8b\x08\x00\xff\xff", "a gzip archive"),
        (b"\xff\xfea\x00b\x00" * 9, "It has 54 bytes"),
        (b"PK\x03\x04\xff", "a torch or zip file, cut short"),
        (b"\x80\x02}q\x00.", ""),
    ],
)
def test_a_file_that_is_something_else_is_called_by_its_name(folder: Path, name: str, content: bytes, said: str) -> None:
    (folder / name).write_bytes(content)
    message = explained(folder)
    assert Path(name).name in message
    assert said in message or name == "vocab.txt"


def header(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        data = (folder / "model.safetensors").read_bytes()
        size = int.from_bytes(data[:8], "little")
        tensors = json.loads(data[8 : 8 + size])
        change(tensors)
        new = json.dumps(tensors).encode()
        (folder / "model.safetensors").write_bytes(len(new).to_bytes(8, "little") + new + data[8 + size :])

    return spoil


def first(tensors: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(value for name, value in tensors.items() if name != "__metadata__")
    return found


def checkpoint(change: Callable[[Weights], object]) -> Callable[[Path], None]:
    """A checkpoint in torch's format with what ``change`` makes of the weights, under a name that says otherwise."""

    def spoil(folder: Path) -> None:
        from safetensors.torch import load_file

        path = folder / "model.safetensors"
        weights = {name.removeprefix("ema_model."): tensor.clone() for name, tensor in load_file(path).items()}
        load_engine().torch.save(change(weights), path)

    return spoil


def vocoder(change: Callable[[Weights], object]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        torch = load_engine().torch
        path = folder / "vocos" / "pytorch_model.bin"
        torch.save(change(torch.load(path, weights_only=True)), path)

    return spoil


def config(*path: str, to: object, name: str = "config.yaml") -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        document = part = yaml.safe_load((folder / name).read_text())
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = to
        (folder / name).write_text(yaml.safe_dump(document))

    return spoil


def arch(field: str, to: object) -> Callable[[Path], None]:
    return config("model", "arch", field, to=to)


def vocos(part: str, field: str, to: object) -> Callable[[Path], None]:
    return config(part, "init_args", field, to=to, name="vocos/config.yaml")


def each(change: Callable[[Any], object]) -> Callable[[Weights], object]:
    return lambda weights: {name: change(tensor) for name, tensor in weights.items()}


CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "offsets": (header(lambda tensors: first(tensors).update(data_offsets=[-4, 10])), f"{CHECKPOINT} is damaged"),
    "overlap": (header(lambda tensors: first(tensors).update(data_offsets=[0, 10**12])), f"{CHECKPOINT} is damaged"),
    "dtype": (header(lambda tensors: first(tensors).update(dtype="Q9")), f"{CHECKPOINT} is damaged"),
    "list": (checkpoint(lambda weights: list(weights.values())), f"{CHECKPOINT} holds no weights by name"),
    "ema list": (checkpoint(lambda _: {"ema_model_state_dict": [1]}), f"{CHECKPOINT} holds no weights by name"),
    "numbers for names": (checkpoint(lambda weights: dict(enumerate(weights.values()))), "holds no weights by name"),
    "not tensors": (checkpoint(each(lambda _: 1.0)), "which is no tensor (float)"),
    "scalars": (checkpoint(each(lambda tensor: tensor.sum())), "have another shape"),
    "no rows": (checkpoint(each(lambda tensor: tensor[:0])), "have another shape"),
    "quantised": (checkpoint(each(lambda tensor: tensor.char())), "as torch.int8; weights are floating-point"),
    "truth values": (checkpoint(each(lambda tensor: tensor.bool())), "as torch.bool"),
    "another network": (checkpoint(lambda _: {"lora_A": load_engine().torch.zeros(2)}), "a file of another one"),
    "vocoder list": (vocoder(lambda _: [1]), f"{VOCODER} holds no weights by name"),
    "vocoder whole numbers": (vocoder(each(lambda tensor: tensor.int())), f"{VOCODER} holds"),
    "vocoder short": (vocoder(lambda weights: dict(list(weights.items())[1:])), "Set F5TTS_VOCODER_PATH"),
    "backbone": (config("model", "backbone", to=["DiT"]), "backbone is ['DiT']; supported are DiT, UNetT"),
    "a number too long": (lambda folder: append(folder, "9" * 5_000), "config.yaml is not"),
    "dim": (arch("dim", None), "model.arch.dim is None; it is a whole number from 1 on"),
    "dim as text": (arch("dim", "64"), "model.arch.dim is '64'; it is a whole number"),
    "depth": (arch("depth", 1.5), "model.arch.depth is 1.5; it is a whole number"),
    "heads": (arch("heads", 0), "model.arch.heads is 0; it is a whole number from 1 on"),
    "ff_mult": (arch("ff_mult", "2"), "model.arch.ff_mult is '2'; it is a whole number"),
    "text_dim": (arch("text_dim", [1]), "model.arch.text_dim is [1]; it is a whole number from 1 on, or null"),
    "conv_layers": (arch("conv_layers", -1), "model.arch.conv_layers is -1; it is a whole number from 0 on"),
    "padding mask": (arch("text_mask_padding", "yes please"), "is 'yes please'; it is true or false"),
    "dropout": (arch("dropout", 2.0), "model.arch.dropout is 2.0; it is a number from 0 to 1"),
    "attention": (arch("attn_backend", "flash_attn"), "model.arch.attn_backend is 'flash_attn'; it is one of torch"),
    "norm": (arch("qk_norm", "layer"), "it is one of null, rms_norm"),
    "mel field": (config("model", "mel_spec", "f_max", to=8000), "model.mel_spec has 'f_max', which is unknown"),
    "window": (config("model", "mel_spec", "win_length", to=2048), "win_length is 2048; n_fft is 1024"),
    "vocoder layers": (vocos("backbone", "num_layers", "8"), "vocos/config.yaml does not belong"),
    "vocoder argument": (vocos("backbone", "layers", 8), "backbone.init_args has 'layers', which is unknown; known: adanorm"),
    "vocoder padding": (vocos("head", "padding", "valid"), "it is one of center, same"),
    "vocoder rate": (
        vocos("feature_extractor", "sample_rate", 44_100),
        "is 44100; this model's speech needs 24000",
    ),
    "vocoder hop": (vocos("head", "hop_length", 128), "head.init_args.hop_length is 128; this model's speech needs 256"),
    "vocoder mels": (vocos("backbone", "input_channels", 80), "input_channels is 80; this model's speech needs 100"),
    "vocoder scale": (vocos("backbone", "layer_scale_init_value", "x"), "it is a number, or null"),
}


def append(folder: Path, number: str) -> None:
    with (folder / "config.yaml").open("a") as file:
        file.write(f"\nsteps: {number}\n")


@pytest.mark.parametrize(("spoil", "said"), CASES.values(), ids=CASES.keys())
def test_each_fault_is_named_in_the_users_terms(folder: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(folder)
    assert said in explained(folder)


def test_a_file_is_read_as_what_it_is_whatever_it_is_called(folder: Path) -> None:
    expected = load_model(load_settings({"F5TTS_MODEL": str(folder), "F5TTS_DEVICE": "cpu"})).cfm.state_dict()
    checkpoint(dict)(folder)
    found = load_model(load_settings({"F5TTS_MODEL": str(folder), "F5TTS_DEVICE": "cpu"})).cfm.state_dict()
    assert all(load_engine().torch.equal(tensor, expected[name]) for name, tensor in found.items())


@pytest.mark.parametrize(("spoil", "part"), [(checkpoint, "checkpoint"), (vocoder, "vocoder")], ids=["checkpoint", "vocoder"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_weights_that_are_no_numbers_are_not_blamed_on_the_seed(
    fresh_worker: FreshWorker, folder: Path, spoil: Callable[..., Callable[[Path], None]], part: str, value: str
) -> None:
    spoil(each(lambda tensor: tensor * float(value)))(folder)
    fresh_worker.restart(F5TTS_MODEL=folder)
    answer = fresh_worker.ask(QUICK)
    assert answer["error_type"] == CheckpointMismatchError.__name__
    assert f"The {part}'s weights are not all numbers" in answer["error"]
