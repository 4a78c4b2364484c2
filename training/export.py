"""From what was learned to a model folder, as ``F5TTS_MODEL`` reads it; all weights in fp16."""

from collections.abc import Mapping
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from f5_worker.model.files import ModelFiles
from training.shape import ARCHITECTURE, MEL, VOCABULARY, VOCODER, build_model, build_vocoder


def export(data: Path, folder: Path) -> None:
    """Write ``folder``."""
    files = ModelFiles.in_folder("demo", folder)
    files.vocoder_config.parent.mkdir(parents=True, exist_ok=True)
    cfm, vocoder = build_model(), build_vocoder(data)
    cfm.transformer.load_state_dict(torch.load(data / "speech.pt"))
    vocoder.load_state_dict(torch.load(data / "vocoder.pt"))
    save_file({f"ema_model.{name}": value for name, value in _half(cfm.state_dict()).items()}, files.checkpoint)
    torch.save(_half(vocoder.state_dict()), files.vocoder_weights)
    files.vocoder_config.write_text(yaml.safe_dump(VOCODER, sort_keys=False), encoding="utf-8")
    files.vocab.write_text("".join(f"{character}\n" for character in VOCABULARY), encoding="utf-8")
    model = {
        "name": "demo",
        "tokenizer": "custom",
        "tokenizer_path": files.vocab.name,
        "backbone": "DiT",
        "arch": dict(ARCHITECTURE),
        "mel_spec": dict(MEL),
    }
    files.config.write_text(yaml.safe_dump({"model": model}, sort_keys=False), encoding="utf-8")


def _half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: (v.half() if v.is_floating_point() else v).contiguous() for name, v in state.items()}
