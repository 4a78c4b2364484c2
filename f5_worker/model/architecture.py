"""From a model's configuration and vocabulary to its modules, before any weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from f5_worker.errors import CheckpointMismatchError
from f5_worker.mel import HOP_LENGTH, SAMPLE_RATE
from f5_worker.model.engine import Engine
from f5_worker.model.files import ModelFiles, load_config

# What durations, times and the output file rest on.
_MEL_SPEC = {"mel_spec_type": "vocos", "target_sample_rate": SAMPLE_RATE, "hop_length": HOP_LENGTH}


@dataclass(frozen=True, slots=True)
class Architecture:
    """The modules of one model, on the CPU: ``cfm.transformer`` is the backbone, ``vocoder`` a Vocos; and its vocabulary."""

    cfm: Any
    vocoder: Any
    vocab: Mapping[str, int]


def build_architecture(engine: Engine, files: ModelFiles) -> Architecture:
    """The modules that ``files`` describe, as upstream's ``load_model`` and ``load_vocoder`` build them.

    Raises:
        CheckpointMismatchError: the file is no model configuration, or asks for what this worker does not have.
    """
    config = load_config(files.config)
    vocab, vocab_size = engine.get_tokenizer(str(files.vocab), "custom")
    mel = dict(config["mel_spec"])
    for name, value in _MEL_SPEC.items():
        if mel.get(name) != value:
            raise CheckpointMismatchError(
                f"The model's {name} is {mel.get(name)!r}, not {value!r}; this worker speaks with the vocos vocoder for "
                f"{SAMPLE_RATE:,} Hz only, so choose a model that was trained for that one."
            )
    backbone = engine.backbones.get(config["backbone"])
    if backbone is None:
        raise CheckpointMismatchError(
            f"The model's backbone is {config['backbone']!r}; supported are {', '.join(engine.backbones)}."
        )
    transformer = backbone(**config["arch"], text_num_embeds=vocab_size, mel_dim=mel["n_mel_channels"])
    cfm = engine.CFM(transformer=transformer, mel_spec_kwargs=mel, vocab_char_map=vocab)
    return Architecture(cfm, engine.Vocos.from_hparams(str(files.vocoder_config)), vocab)
