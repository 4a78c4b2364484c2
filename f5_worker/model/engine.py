"""The one door to torch, f5-tts and vocos: what their imports drag in, and speech never uses, is kept out here.

f5-tts 1.1.22 imports its training code and the tools of its other front ends along with the model: seconds at every cold start.
Each entry of ``STAND_INS`` takes the place of one such module while f5-tts is imported, and is gone afterwards, so that whoever
wants the real module later gets it.
"""

import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from bootstrap import trust
from f5_worker.errors import EngineBrokenError, brief
from f5_worker.runtime.packages import missing_package, real_imports


@dataclass(frozen=True, slots=True)
class Engine:
    """The names of torch, f5-tts and vocos that the worker relies on; a test fails when one of them changes."""

    torch: Any
    CFM: Any
    backbones: Mapping[str, Any]
    Vocos: Any
    convert_char_to_pinyin: Callable[[list[str]], list[list[str]]]
    list_str_to_idx: Callable[..., Any]
    get_tokenizer: Callable[..., tuple[dict[str, int], int]]
    get_epss_timesteps: Callable[..., Any]
    lens_to_mask: Callable[..., Any]


def _never_called(name: str) -> Callable[..., Any]:
    def stand_in(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{name} is kept out of the worker: f5_worker/model/engine.py says why")

    return stand_in


def _trainer() -> ModuleType:
    """wandb, datasets, accelerate and the optimizer, 1.7 s: training only."""
    module = ModuleType("f5_tts.model.trainer")
    module.Trainer = type("Trainer", (), {})  # type: ignore[attr-defined]
    return module


def _librosa_filters() -> ModuleType:
    """librosa and numba, 1.7 s: the mel filters of the BigVGAN variant only, whose vocoder f5-tts does not ship."""
    module = ModuleType("librosa.filters")
    module.mel = _never_called("librosa.filters.mel")  # type: ignore[attr-defined]
    return module


def _torchdiffeq() -> ModuleType:
    """scipy.integrate, 0.5 s: the Euler steps are our own (speech/sampler.py), so that a stopped job ends at the next."""
    module = ModuleType("torchdiffeq")
    module.odeint = _never_called("torchdiffeq.odeint")  # type: ignore[attr-defined]
    return module


def _huggingface_hub() -> ModuleType:
    """Its HTTP client, 0.1 s: vocos wants it for downloads, which f5_worker/runtime/hub.py makes, and only when it must."""
    module = ModuleType("huggingface_hub")
    module.hf_hub_download = _never_called("huggingface_hub.hf_hub_download")  # type: ignore[attr-defined]
    return module


def _pypinyin() -> ModuleType:
    """Its phrase tables, 0.3 s: needed only when a text holds Chinese, so the real one is imported by its first use."""

    class Style:
        TONE3 = "TONE3"

    def lazy_pinyin(text: str, style: str = "NORMAL", **options: Any) -> list[str]:
        import pypinyin

        return list(pypinyin.lazy_pinyin(text, style=getattr(pypinyin.Style, style), **options))

    module = ModuleType("pypinyin")
    module.Style = Style  # type: ignore[attr-defined]
    module.lazy_pinyin = lazy_pinyin  # type: ignore[attr-defined]
    return module


STAND_INS: Mapping[str, Callable[[], ModuleType]] = {
    "f5_tts.model.trainer": _trainer,
    "librosa": lambda: ModuleType("librosa"),
    "librosa.filters": _librosa_filters,
    "torchdiffeq": _torchdiffeq,
    "huggingface_hub": _huggingface_hub,
    "pypinyin": _pypinyin,
}

_lock = threading.Lock()
_engine: Engine | None = None
_broken: EngineBrokenError | None = None


def load_engine() -> Engine:
    """Import torch, f5-tts and vocos without what speech never uses; the first call pays, later ones return the same.

    Raises:
        PackageMissingError: when one of them is absent.
        EngineBrokenError: when an import failed half-way: this process can neither go on with it nor import it again.
    """
    global _engine, _broken
    with _lock:
        if _broken is not None:
            raise _broken.again()
        if _engine is None:
            try:
                with trust.trial():
                    _engine = _import_engine()
            except Exception as error:
                if isinstance(error, ImportError) and not _torch_is_half_there():
                    raise missing_package(error) from error
                _broken = EngineBrokenError(
                    f"The Python packages for speech broke off while they were imported ({type(error).__name__}: "
                    f"{brief(error)}), and one process cannot import them twice: the worker is replaced. If the next one "
                    "fails too, its packages or their disk are damaged: delete the volume's environment, or make a new image."
                )
                trust.blame(error)
                raise _broken.again() from error
        return _engine


def _torch_is_half_there() -> bool:
    """Python takes a module whose import failed away again, but not the parts of it that it had imported by then."""
    return "torch" not in sys.modules and any(name.startswith("torch.") for name in sys.modules)


@contextmanager
def _stand_ins() -> Iterator[None]:
    placed: dict[str, ModuleType] = {}
    for name, make in STAND_INS.items():
        if name not in sys.modules:
            module = make()
            module.__spec__ = ModuleSpec(name, None)
            placed[name] = sys.modules[name] = module
    try:
        yield
    finally:
        for name, module in placed.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _import_engine() -> Engine:
    import torch
    import torchaudio  # noqa: F401 - first, so that an ImportError of its own is not taken for one of f5-tts

    with real_imports, _stand_ins(), warnings.catch_warnings():
        # x-transformers 1.31 still decorates with torch.cuda.amp.autocast, whose only effect here is this warning.
        warnings.filterwarnings("ignore", message=r".*torch\.cuda\.amp\.autocast.*", category=FutureWarning)
        from f5_tts.model import CFM, DiT, UNetT
        from f5_tts.model.utils import (
            convert_char_to_pinyin,
            get_epss_timesteps,
            get_tokenizer,
            lens_to_mask,
            list_str_to_idx,
        )
        from vocos import Vocos

    return Engine(
        torch=torch,
        CFM=CFM,
        backbones={"DiT": DiT, "UNetT": UNetT},
        Vocos=Vocos,
        convert_char_to_pinyin=convert_char_to_pinyin,
        list_str_to_idx=list_str_to_idx,
        get_tokenizer=get_tokenizer,
        get_epss_timesteps=get_epss_timesteps,
        lens_to_mask=lens_to_mask,
    )
