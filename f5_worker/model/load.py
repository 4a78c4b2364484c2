"""From model files to a model in memory: no random initialisation, no second copy, everything checked before it is used."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from f5_worker import log
from f5_worker.model.architecture import build_architecture
from f5_worker.model.checkpoint import check_fit, read_ahead, read_checkpoint, read_pickle
from f5_worker.model.engine import Engine, load_engine
from f5_worker.model.files import DEMO_MODEL, SMOKE_MODEL, ModelFiles, locate_model
from f5_worker.model.fp16_copy import copy_folder, find_copy, keep_copy
from f5_worker.runtime.device import NVIDIA_DRIVER, half_precision, pick_device
from f5_worker.runtime.hub import hub_cache
from f5_worker.runtime.load_errors import explain_load_error, reach_the_hub
from f5_worker.settings import Settings
from f5_worker.stages import Stages
from f5_worker.text.vocabulary import Vocabulary
from f5_worker.volume import look, patiently, silent

_WARNINGS: Mapping[str, str] = {
    SMOKE_MODEL: "F5TTS_MODEL=smoke: the weights are random, so the sound is noise; it only shows that everything works.",
    DEMO_MODEL: "F5TTS_MODEL=demo: a tiny English model in one voice of its own; it clones nothing.",
}
_init_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready for synthesis: ``cfm.transformer`` the backbone, ``vocoder`` a Vocos, both in eval mode on ``device``."""

    name: str
    engine: Engine
    cfm: Any
    vocoder: Any
    vocab: Mapping[str, int]
    vocabulary: Vocabulary
    device: str
    dtype: Any
    warning: str | None = None
    """What a caller must know about this model's speech; ``None`` for one that speaks as it should."""
    load_seconds: Mapping[str, float] = field(default_factory=dict)
    stands_in_for: str | None = None
    """The configured model's name, where this one speaks because the hub cannot be reached."""


def load_model(settings: Settings) -> LoadedModel:
    """Find the configured model's files and load them.

    torch and f5-tts are imported in a thread while the files are found, or downloaded, and read ahead. Weights are mapped from
    the file (on a network volume once it is read), checked against configuration and vocabulary, converted (fp16 on CUDA) and
    moved once.

    Raises:
        ModelUnavailableError: one of its kinds, with the cause and the fix.
    """
    stages, guarded = Stages(), _guard(settings)
    pool = ThreadPoolExecutor(1, thread_name_prefix="engine-import")
    importing = pool.submit(load_engine)
    pool.shutdown(wait=False)
    try:
        with ExitStack() as stack:
            with stages("files"):
                files, copies, half, reading = guarded(lambda: _begin(stack, settings))
            with stages("imports"):
                engine = importing.result()
            with stages("weights"):
                reading()
                built: LoadedModel = guarded(lambda: _build(engine, files, pick_device(settings), half))
            model = replace(built, load_seconds=stages.seconds)
            if copies and half is None and model.dtype == engine.torch.float16:
                keep_copy(model.cfm.state_dict(), files.checkpoint, copies)
    except Exception as error:
        raise explain_load_error(error, f"the F5-TTS model {Path(settings.model).name}") from error
    log.info(f"Model {Path(model.name).name} loaded on {model.device}: {stages}")
    return model


def load_stand_in(settings: Settings) -> LoadedModel:
    """The demo model, to speak in place of the configured one.

    Raises:
        ModelUnavailableError: one of its kinds, with the cause and the fix.
    """
    name = Path(settings.model).name
    warning = (
        f"The model hub cannot be reached and {name} is not cached, so the demo model speaks in its place: tiny, English, "
        f"in one voice of its own; it clones nothing. For {name}, {reach_the_hub()}, or set F5TTS_MODEL to a model folder."
    )
    return replace(load_model(replace(settings, model=DEMO_MODEL)), stands_in_for=name, warning=warning)


def _guard(settings: Settings) -> Callable[[Callable[[], Any]], Any]:
    """What runs the steps of a load: patiently, where the volume answers; without it, where it does not and none needs it.

    Raises:
        VolumeSilentError: one does.
    """
    verdict = look(settings)
    what = f"the files of {Path(settings.model).name} lie"
    if not verdict.trouble:
        return (lambda step: patiently(step, settings.network_volume, what)) if verdict.folder else (lambda step: step())
    chosen = (settings.model, settings.ckpt_file, settings.vocab_file, settings.vocoder_path, str(hub_cache()))
    if settings.model not in (SMOKE_MODEL, DEMO_MODEL) and any(
        Path(path).is_relative_to(settings.network_volume) for path in chosen if path
    ):
        raise silent(what)
    return lambda step: step()


def _begin(stack: ExitStack, settings: Settings) -> tuple[ModelFiles, Path | None, Path | None, Callable[[], None]]:
    """The model's files, where fp16 copies may lie, the one of this checkpoint, and their reading, which is under way."""
    files = stack.enter_context(_model_files(settings))
    copies = _copies(settings)
    half = find_copy(files.checkpoint, copies) if copies else None
    return files, copies, half, read_ahead(half or files.checkpoint, files.vocoder_weights)


@contextmanager
def _model_files(settings: Settings) -> Iterator[ModelFiles]:
    if settings.model != SMOKE_MODEL:
        yield locate_model(settings)
        return
    from f5_worker.model.smoke import smoke_model_files

    with smoke_model_files() as files:
        yield files


def _build(engine: Engine, files: ModelFiles, device: str, half: Path | None) -> LoadedModel:
    import torch

    dtype = torch.float16 if half_precision(device) else torch.float32
    weights = _weights(files.checkpoint, half if dtype == torch.float16 else None, device)
    vocoder_weights = read_pickle(files.vocoder_weights)
    with _no_initialisation():
        model = build_architecture(engine, files, (_shapes(weights), _shapes(vocoder_weights)))
    cfm, vocoder, vocab_size = model.cfm, model.vocoder, len(model.vocab)
    # Buffers that no checkpoint holds must get the model's dtype too, as upstream's load_checkpoint gives it.
    for module in cfm.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_floating_point():
                setattr(module, name, buffer.to(dtype))
    check_fit(_shapes(cfm.state_dict()), _shapes(weights), vocab_size)
    check_fit(_shapes(vocoder.state_dict()), _shapes(vocoder_weights), vocab_size, vocoder=True)
    _fill(cfm, weights, device, dtype)
    _fill(vocoder, vocoder_weights, device, torch.float32)
    for block in getattr(cfm.transformer, "transformer_blocks", ()):
        # Read only together with a mask, which only a batch has: see sampler.py.
        block.attn.processor.attn_mask_enabled = True
    cfm, vocoder = cfm.eval().to(device), vocoder.eval().to(device)
    return LoadedModel(
        name=files.name,
        engine=engine,
        cfm=cfm,
        vocoder=vocoder,
        vocab=model.vocab,
        vocabulary=Vocabulary(engine.convert_char_to_pinyin, model.vocab),
        device=device,
        dtype=dtype,
        warning=_WARNINGS.get(files.name) or files.warning,
    )


def _weights(checkpoint: Path, half: Path | None, device: str) -> dict[str, Any]:
    if half is not None:
        try:
            return read_checkpoint(half, device)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the copy, the source is there
            log.warn(f"The fp16 copy on the volume cannot be used ({type(error).__name__}); a later start writes another")
            half.unlink(missing_ok=True)
    return read_checkpoint(checkpoint, device)


def _copies(settings: Settings) -> Path | None:
    """Where fp16 copies may lie; ``None`` without a GPU (asked of the kernel: torch is not imported yet) or a volume."""
    if settings.device == "cpu" or not NVIDIA_DRIVER.exists() or not look(settings).writable:
        return None
    return copy_folder(settings.network_volume)


@contextmanager
def _no_initialisation() -> Iterator[None]:
    """Leave new parameters as allocated: random values that the checkpoint replaces cost seconds and touch every page."""
    import torch

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


def _shapes(weights: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(getattr(tensor, "shape", ())) for name, tensor in weights.items()}


def _fill(module: Any, weights: dict[str, Any], device: str, dtype: Any) -> None:
    """Put weights that fit in the place of the module's own, converted and moved one by one."""
    expected = module.state_dict()
    placed = {}
    for name, tensor in weights.items():
        target = dtype if expected[name].is_floating_point() else expected[name].dtype
        placed[name] = tensor.to(device=device, dtype=target)
    module.load_state_dict(placed, assign=True)
    module.requires_grad_(False)
