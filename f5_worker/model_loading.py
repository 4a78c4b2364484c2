"""From model files to a model in memory: no random initialisation, no second copy, everything checked before it is used."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from f5_worker import log
from f5_worker.engine import Engine, load_engine
from f5_worker.errors import CheckpointMismatchError
from f5_worker.job import Stopwatch
from f5_worker.load_errors import explain_load_error
from f5_worker.model_files import SMOKE_MODEL, ModelFiles, load_config, locate_model
from f5_worker.settings import Settings

_READ_BLOCK = 16 * 1024 * 1024
_KERNEL_ALIGNMENT = 16
_init_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready for synthesis: ``cfm.transformer`` the backbone, ``vocoder`` a Vocos, both in eval mode on ``device``."""

    name: str
    engine: Engine
    cfm: Any
    vocoder: Any
    vocab: Mapping[str, int]
    device: str
    dtype: Any
    sample_rate: int
    hop_length: int
    load_seconds: Mapping[str, float]

    @property
    def is_smoke(self) -> bool:
        """Whether this is the random model that only proves the pipeline."""
        return self.name == SMOKE_MODEL


def load_model(settings: Settings) -> LoadedModel:
    """Find the configured model's files and load them.

    The files are read ahead in a thread while torch and f5-tts are imported. Weights are mapped from the file, checked against
    configuration and vocabulary, converted (fp16 on CUDA) and moved once.

    Raises:
        ModelUnavailableError: one of its kinds, with the cause and the mend.
    """
    clock = Stopwatch()
    try:
        with _model_files(settings) as files:
            clock.lap("files")
            _read_ahead(files.checkpoint, files.vocoder_weights)
            engine = load_engine()
            clock.lap("imports")
            model = _build(engine, files, pick_device(engine, settings), clock)
    except Exception as error:
        raise explain_load_error(error, f"the F5-TTS model {Path(settings.model).name}") from error
    phases = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in model.load_seconds.items())
    log.info(f"Model {Path(model.name).name} loaded on {model.device}: {phases}")
    return model


@contextmanager
def _model_files(settings: Settings) -> Iterator[ModelFiles]:
    if settings.model != SMOKE_MODEL:
        yield locate_model(settings)
        return
    from f5_worker.smoke import smoke_model_files

    with smoke_model_files() as files:
        yield files


def _read_ahead(*paths: Path) -> None:
    """Pull the files into the page cache in order, so that mapped pages do not fault one by one over the network."""

    def read() -> None:
        for path in paths:
            try:
                with path.open("rb", buffering=0) as file:
                    while file.read(_READ_BLOCK):
                        pass
            except OSError as error:
                log.warn(f"Reading ahead of {path.name} stopped: {error.strerror}")

    threading.Thread(target=read, name="read-ahead", daemon=True).start()


def pick_device(engine: Engine, settings: Settings) -> str:
    """``cuda`` where there is a GPU that works, ``cpu`` where there is none.

    Raises:
        RuntimeError: torch's own, when a GPU is there or demanded and cannot be used.
    """
    if settings.device == "cpu":
        return "cpu"
    try:
        engine.torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        no_gpu = any(marker in str(error).lower() for marker in ("no nvidia driver", "no cuda gpus", "not compiled with cuda"))
        if settings.device == "cuda" or not no_gpu:
            raise
        return "cpu"
    return "cuda"


def _build(engine: Engine, files: ModelFiles, device: str, clock: Stopwatch) -> LoadedModel:
    torch = engine.torch
    config = load_config(files.config)
    vocab, vocab_size = engine.get_tokenizer(str(files.vocab), "custom")
    mel = dict(config["mel_spec"])
    if mel.get("mel_spec_type") != "vocos":
        raise CheckpointMismatchError(
            f"The model's mel_spec_type is {mel.get('mel_spec_type')!r}; this worker speaks with the vocos vocoder only."
        )
    backbone = engine.backbones.get(config["backbone"])
    if backbone is None:
        raise CheckpointMismatchError(
            f"The model's backbone is {config['backbone']!r}; supported are {', '.join(engine.backbones)}."
        )
    dtype = torch.float16 if device == "cuda" and torch.cuda.get_device_properties(device).major >= 7 else torch.float32
    with _no_initialisation(torch):
        transformer = backbone(**config["arch"], text_num_embeds=vocab_size, mel_dim=mel["n_mel_channels"])
        cfm = engine.CFM(transformer=transformer, mel_spec_kwargs=mel, vocab_char_map=vocab)
        vocoder = engine.Vocos.from_hparams(str(files.vocoder_config))
    # Buffers that no checkpoint holds must get the model's dtype too, as upstream's load_checkpoint gives it.
    for module in cfm.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_floating_point():
                setattr(module, name, buffer.to(dtype))
    _fill(cfm, read_checkpoint(torch, files.checkpoint), vocab_size, device, dtype)
    _fill(vocoder, _read_pickle(torch, files.vocoder_weights), vocab_size, device, torch.float32)
    for block in getattr(transformer, "transformer_blocks", ()):
        # Read only together with a mask, which only a batch has: see sampler.py.
        block.attn.processor.attn_mask_enabled = True
    cfm, vocoder = cfm.eval().to(device), vocoder.eval().to(device)
    clock.lap("weights")
    return LoadedModel(
        name=files.name,
        engine=engine,
        cfm=cfm,
        vocoder=vocoder,
        vocab=vocab,
        device=device,
        dtype=dtype,
        sample_rate=mel["target_sample_rate"],
        hop_length=mel["hop_length"],
        load_seconds=clock.laps,
    )


@contextmanager
def _no_initialisation(torch: Any) -> Iterator[None]:
    """Leave new parameters as allocated: random values that the checkpoint replaces cost seconds and touch every page."""

    def keep(tensor: Any, *_: Any, **__: Any) -> Any:
        return tensor

    init = torch.nn.init
    with _init_lock:
        saved: dict[str, Callable[..., Any]] = {
            name: getattr(init, name) for name in dir(init) if name.endswith("_") and not name.startswith("_")
        }
        try:
            for name in saved:
                setattr(init, name, keep)
            yield
        finally:
            for name, function in saved.items():
                setattr(init, name, function)


def read_checkpoint(torch: Any, path: Path) -> dict[str, Any]:
    """The model's weights by parameter name, mapped from the file (safetensors, or a pickle read with ``weights_only``).

    EMA weights are taken where the file has them, without ``ema_model.`` in their names, as in upstream's ``load_checkpoint``.
    """
    if path.suffix == ".safetensors":
        weights = _read_safetensors(torch, path)
    else:
        document = _read_pickle(torch, path)
        weights = document.get("ema_model_state_dict") or document.get("model_state_dict") or document
    ignored = {"initted", "step", "mel_spec.mel_stft.mel_scale.fb", "mel_spec.mel_stft.spectrogram.window"}
    named = {name.replace("ema_model.", ""): tensor for name, tensor in weights.items()}
    return {name: tensor for name, tensor in named.items() if name not in ignored}


def _read_safetensors(torch: Any, path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt", device="cpu") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    with path.open("rb", buffering=0) as raw:
        header_size = int.from_bytes(raw.read(8), "little")
        header = json.loads(raw.read(header_size))
        for name, mapped in weights.items():
            # The CPU kernels of small matrices round differently when weights do not start at a multiple of 16 bytes, which
            # depends on the length of the file's header: then the tensor is read into memory of its own, past the mapping.
            if mapped.data_ptr() % _KERNEL_ALIGNMENT:
                weights[name] = torch.empty_like(mapped)
                raw.seek(8 + header_size + header[name]["data_offsets"][0])
                rest = memoryview(weights[name].reshape(-1).view(torch.uint8).numpy())
                while len(rest):
                    count = raw.readinto(rest)
                    if not count:
                        raise EOFError(f"{path.name} became shorter while it was read")
                    rest = rest[count:]
    return weights


def _read_pickle(torch: Any, path: Path) -> dict[str, Any]:
    document = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if not isinstance(document, dict):
        raise CheckpointMismatchError(f"{path.name} holds no weights by name; it is not a checkpoint of this model.")
    return document


def _fill(module: Any, weights: dict[str, Any], vocab_size: int, device: str, dtype: Any) -> None:
    """Check the weights against the module and put them in its place, converted and moved one by one."""
    expected = module.state_dict()
    _check_fit(
        {name: tuple(t.shape) for name, t in expected.items()}, {n: tuple(t.shape) for n, t in weights.items()}, vocab_size
    )
    placed = {}
    for name, tensor in weights.items():
        target = dtype if expected[name].is_floating_point() else expected[name].dtype
        placed[name] = tensor.to(device=device, dtype=target)
    module.load_state_dict(placed, assign=True)
    module.requires_grad_(False)


def _check_fit(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], vocab_size: int) -> None:
    """Raise CheckpointMismatchError, naming the numbers, unless the checkpoint has just what the configuration asks for."""
    embedding = "transformer.text_embed.text_embed.weight"
    if embedding in expected and embedding in found and expected[embedding][0] != found[embedding][0]:
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
        raise CheckpointMismatchError(
            f"Checkpoint and configuration do not match: {'; '.join(facts)}. Set F5TTS_MODEL to the configuration that the "
            "checkpoint was trained with."
        )
