"""From a model's configuration and vocabulary to its modules, before any weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from f5_worker.errors import CheckpointMismatchError, brief
from f5_worker.mel import HOP_LENGTH, SAMPLE_RATE
from f5_worker.model.damage import check_text
from f5_worker.model.engine import Engine
from f5_worker.model.files import ModelFiles, load_config, load_yaml
from f5_worker.model.sizes import Shapes, check_arch, check_mel, check_vocoder

# What durations, times and the output file rest on.
_MEL_SPEC = {"mel_spec_type": "vocos", "target_sample_rate": SAMPLE_RATE, "hop_length": HOP_LENGTH}


@dataclass(frozen=True, slots=True)
class Architecture:
    """The modules of one model, on the CPU: ``cfm.transformer`` is the backbone, ``vocoder`` a Vocos; and its vocabulary."""

    cfm: Any
    vocoder: Any
    vocab: Mapping[str, int]


def build_architecture(engine: Engine, files: ModelFiles, shapes: tuple[Shapes, Shapes] | None = None) -> Architecture:
    """The modules that ``files`` describe, as upstream's ``load_model`` and ``load_vocoder`` build them.

    ``shapes`` are those of the tensors of checkpoint and vocoder: what cannot belong to them is refused before it is built.
    Without them the configurations are our own.

    Raises:
        CheckpointMismatchError: the file is no model configuration, or asks for what this worker does not have.
    """
    config = load_config(files.config)
    check_text(files.vocab)
    vocab, vocab_size = engine.get_tokenizer(str(files.vocab), "custom")
    mel = dict(config["mel_spec"])
    for name, value in _MEL_SPEC.items():
        if mel.get(name) != value:
            raise CheckpointMismatchError(
                f"The model's {name} is {mel.get(name)!r}, not {value!r}; this worker speaks with the vocos vocoder for "
                f"{SAMPLE_RATE:,} Hz only, so choose a model that was trained for it."
            )
    backbone = engine.backbones.get(str(config["backbone"]))
    if backbone is None:
        raise CheckpointMismatchError(
            f"The model's backbone is {config['backbone']!r}; supported are {', '.join(engine.backbones)}."
        )
    if shapes is not None:
        name, vocoder_name = (f"{path.parent.name}/{path.name}" for path in (files.config, files.vocoder_config))
        check_mel(name, mel)
        check_arch(name, config["arch"], backbone, shapes[0])
        check_vocoder(vocoder_name, load_yaml(files.vocoder_config), shapes[1], mel["n_mel_channels"])
    with _as_mismatch(files.config):
        transformer = backbone(**config["arch"], text_num_embeds=vocab_size, mel_dim=mel["n_mel_channels"])
        cfm = engine.CFM(transformer=transformer, mel_spec_kwargs=mel, vocab_char_map=vocab)
    with _as_mismatch(files.vocoder_config):
        vocoder = engine.Vocos.from_hparams(str(files.vocoder_config))
    return Architecture(cfm, vocoder, vocab)


@contextmanager
def _as_mismatch(config: Path) -> Iterator[None]:
    """What networks raise for values that do not fit together says nothing to whoever wrote them."""
    try:
        yield
    except (TypeError, ValueError, AssertionError, ArithmeticError, LookupError, AttributeError, RuntimeError) as error:
        if isinstance(error, CheckpointMismatchError) or "memory" in str(error).lower():
            raise
        raise CheckpointMismatchError(
            f"The values in {config.parent.name}/{config.name} do not fit together ({brief(error)}); use the configuration "
            "that the checkpoint was trained with."
        ) from error
