"""A checkpoint's weights: read ahead, mapped from the file, and checked against what the configuration asks for."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from bootstrap.door import is_local
from bootstrap.read_ahead import Reading
from bootstrap.read_ahead import read_ahead as begin
from f5_worker import log
from f5_worker.errors import CheckpointMismatchError
from f5_worker.model.damage import is_torch_file, readable, weights_of
from f5_worker.volume import silent

_readings: dict[tuple[Path, ...], Reading] = {}  # one that hangs is not begun again beside itself
_KERNEL_ALIGNMENT = 16
_FIX = "Set F5TTS_MODEL to the configuration that the checkpoint was trained with."
_VOCODER_FIX = "Set F5TTS_VOCODER_PATH to a folder with a config.yaml and a pytorch_model.bin that belong together."


def read_ahead(*paths: Path) -> Callable[[], None]:
    """Pull the files into the page cache, so that mapped pages do not fault one by one over the network.

    What is returned is to be called before the first page is touched: on a network file system it waits until all are there,
    since a fault there holds the GIL, and a volume that hangs would hold all threads with it.

    Raises:
        VolumeSilentError: from that call, when the file system does not answer.
    """
    reading = _readings.get(paths)
    if reading is None or reading.ended:
        reading = _readings[paths] = begin(*((path.resolve(), 0, None) for path in paths))
    remote = [path for path in paths if not is_local(path.resolve())]

    def wait() -> None:
        if remote and not reading.wait_while_it_moves():
            raise silent(f"{remote[0].name} lies")
        if reading.error is not None:
            log.warn(f"Reading ahead of {paths[0].name} stopped: {reading.error.strerror}")

    return wait


def read_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """The model's weights by parameter name, mapped from the file (safetensors, or a pickle read with ``weights_only``).

    EMA weights are taken where the file has them, without ``ema_model.`` in their names, as in upstream's ``load_checkpoint``.
    The tensors are on the CPU; ``device`` is where they will be used.
    """
    if is_torch_file(path):
        document = _unpickle(path)
        found = document.get("ema_model_state_dict") or document.get("model_state_dict") or document
    else:
        with readable(path):
            found = _map_safetensors(path)
        if device == "cpu":
            _align(path, found)
    ignored = {"initted", "step", "mel_spec.mel_stft.mel_scale.fb", "mel_spec.mel_stft.spectrogram.window"}
    if isinstance(found, Mapping):
        named = {name.replace("ema_model.", "") if isinstance(name, str) else name: tensor for name, tensor in found.items()}
        found = {name: tensor for name, tensor in named.items() if name not in ignored}
    return weights_of(path, found)


def _map_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt", device="cpu") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping


def _align(path: Path, weights: dict[str, Any]) -> None:
    """Give tensors that do not start at a multiple of 16 bytes memory of their own, read past the mapping.

    The CPU kernels of small matrices round differently there; where tensors start depends on the length of the file's header.
    """
    import torch

    with path.open("rb", buffering=0) as raw:
        header_size = int.from_bytes(raw.read(8), "little")
        header = json.loads(raw.read(header_size))
        for name, mapped in weights.items():
            if mapped.data_ptr() % _KERNEL_ALIGNMENT:
                weights[name] = torch.empty_like(mapped)
                raw.seek(8 + header_size + header[name]["data_offsets"][0])
                rest = memoryview(weights[name].reshape(-1).view(torch.uint8).numpy())
                while len(rest):
                    count = raw.readinto(rest)
                    if not count:
                        raise EOFError(f"{path.name} became shorter while it was read")
                    rest = rest[count:]


def read_pickle(path: Path) -> dict[str, Any]:
    """The tensors of a torch file by name, mapped from it; nothing but tensors is ever unpickled."""
    return weights_of(path, _unpickle(path))


def _unpickle(path: Path) -> Mapping[Any, Any]:
    import torch

    with readable(path):
        document = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    return document if isinstance(document, Mapping) else weights_of(path, document)


def check_fit(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], vocab_size: int, *, vocoder: bool = False
) -> None:
    """Raise CheckpointMismatchError, naming the numbers, unless the checkpoint has just what the configuration asks for."""
    embedding = "transformer.text_embed.text_embed.weight"
    symbols = found.get(embedding, ())
    if len(symbols) == 2 and symbols[0] > 0 and symbols[0] != expected.get(embedding, symbols)[0]:
        raise CheckpointMismatchError(
            f"Checkpoint and vocabulary do not match: the checkpoint was trained with {found[embedding][0] - 1} symbols, the "
            f"vocabulary has {vocab_size}. Set F5TTS_VOCAB_FILE to the vocab.txt that belongs to the checkpoint.",
            checkpoint_symbols=found[embedding][0] - 1,
            vocabulary_symbols=vocab_size,
        )
    missing, unknown = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    other = [f"{name} is {found[name]}, not {shape}" for name, shape in expected.items() if found.get(name, shape) != shape]
    if missing or unknown or other:
        facts = [f"{len(missing)} tensors are missing (first {missing[0]})"] if missing else []
        facts += [f"{len(unknown)} are unknown (first {unknown[0]})"] if unknown else []
        facts += [f"{len(other)} have another shape (first {other[0]})"] if other else []
        if not expected.keys() & found.keys():
            facts.append("it has none of this network's tensors, so it is a file of another one")
        what = "Vocoder and its configuration" if vocoder else "Checkpoint and configuration"
        raise CheckpointMismatchError(f"{what} do not match: {'; '.join(facts)}. {_VOCODER_FIX if vocoder else _FIX}")
