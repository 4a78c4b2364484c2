"""What the demo model is: its vocabulary and sizes, how fast it speaks, and the modules of f5-tts that it is made of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from f5_worker.model.engine import load_engine
from f5_worker.model.smoke import vocoder_config

ARCHITECTURE: Mapping[str, Any] = {
    "dim": 256,
    "depth": 4,
    "heads": 4,
    "dim_head": 64,
    "ff_mult": 2,
    "text_dim": 192,
    "conv_layers": 6,
    "dropout": 0.0,
    "text_mask_padding": True,
    "text_embedding_average_upsampling": True,
}
MEL: Mapping[str, Any] = {
    "target_sample_rate": 24000,
    "n_mel_channels": 100,
    "hop_length": 256,
    "win_length": 1024,
    "n_fft": 1024,
    "mel_spec_type": "vocos",
}
VOCODER = vocoder_config(dim=192, intermediate_dim=448, num_layers=5)
VOCABULARY = tuple(map(chr, range(32, 127)))
"""Printable ASCII; the space comes first, as f5-tts wants it."""
INDEX = {character: index for index, character in enumerate(VOCABULARY)}

PACE = 466 / 52
"""Frames a character behind the worker's built-in voice: those of its clip, as the worker prepares it, by its transcript's."""
PACES = (6.8, 10.5)
"""The paces that are taught, from and to."""


def build_model() -> Any:
    """f5-tts's CFM around the DiT backbone, with random weights."""
    engine = load_engine()
    transformer = engine.backbones["DiT"](**ARCHITECTURE, text_num_embeds=len(VOCABULARY), mel_dim=MEL["n_mel_channels"])
    return engine.CFM(transformer=transformer, mel_spec_kwargs=MEL, vocab_char_map=INDEX)


def build_vocoder(folder: Path) -> Any:
    """A Vocos with random weights, whose configuration is written to ``folder``."""
    import yaml

    path = folder / "vocos.yaml"
    path.write_text(yaml.safe_dump(VOCODER, sort_keys=False), encoding="utf-8")
    return load_engine().Vocos.from_hparams(str(path))


def characters(text: str) -> str:
    """``text`` as f5-tts tokenises it."""
    return "".join(load_engine().convert_char_to_pinyin([text])[0])


def tokens(text: str) -> NDArray[np.int64]:
    """Vocabulary indices [n] of ``text``; what is not in the vocabulary becomes a space."""
    return np.array([INDEX.get(character, 0) for character in characters(text)])


def keep(path: Path, state: Any) -> None:
    """Save tensors so that a reader sees the old file or the new one whole."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
