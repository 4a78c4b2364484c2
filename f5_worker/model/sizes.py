"""Whether a configuration can belong to a checkpoint, by the shapes in the checkpoint's header; before anything is built.

A wrong number is not found by building: a million layers are minutes, and more memory than the machine has.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from f5_worker.errors import CheckpointMismatchError

Shapes = Mapping[str, tuple[int, ...]]

VOCODER_CLASSES: Mapping[str, frozenset[str]] = {
    "feature_extractor": frozenset({"vocos.feature_extractors.MelSpectrogramFeatures"}),
    "backbone": frozenset({"vocos.models.VocosBackbone", "vocos.models.VocosResNetBackbone"}),
    "head": frozenset({"vocos.heads.ISTFTHead", "vocos.heads.IMDCTSymExpHead", "vocos.heads.IMDCTCosHead"}),
}
"""What a vocoder's configuration may name. vocos imports and calls whatever stands there, so anything else could be code."""

_LARGEST_MEL_VALUE = 65_536


def check_arch(name: str, arch: object, backbone: Callable[..., Any], shapes: Shapes) -> None:
    """Check ``model.arch`` of the configuration ``name`` against what ``backbone`` takes and the checkpoint's shapes.

    Raises:
        CheckpointMismatchError: names the value, and what it can be.
    """
    known = set(inspect.signature(backbone).parameters) - {"self", "text_num_embeds", "mel_dim"}
    values = _values(name, "model.arch", arch, known)
    _check_numbers(name, "model.arch", values, shapes)
    layers = 1 + max((int(key.split(".")[2]) for key in shapes if _is_layer(key)), default=-1)
    for field, found in (
        ("depth", layers),
        ("dim", _size(shapes, "transformer.input_embed.proj.weight", 0)),
        ("text_dim", _size(shapes, "transformer.text_embed.text_embed.weight", 1)),
    ):
        if found and field in values and values[field] is not None and values[field] != found:
            raise _mismatch(name, f"model.arch.{field} is {values[field]}", f"the checkpoint has {found}")


def check_mel(name: str, mel: Mapping[str, Any]) -> None:
    """Check ``model.mel_spec``: whole numbers that a transform can have.

    Raises:
        CheckpointMismatchError: names the value.
    """
    for field in ("n_fft", "win_length", "n_mel_channels"):
        value = mel.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST_MEL_VALUE:
            raise _mismatch(name, f"model.mel_spec.{field} is {value!r}", f"it is a whole number up to {_LARGEST_MEL_VALUE:,}")


def check_vocoder(name: str, config: object, shapes: Shapes) -> None:
    """Check a vocoder's configuration: the classes that may be named, and their numbers against the checkpoint's shapes.

    Raises:
        CheckpointMismatchError: names the value, and what is allowed.
    """
    parts = _values(name, "the file", config, set(VOCODER_CLASSES), needed=set(VOCODER_CLASSES))
    for part, allowed in VOCODER_CLASSES.items():
        init = _values(name, part, parts[part], {"class_path", "init_args"}, needed={"class_path"})
        if init["class_path"] not in allowed:
            raise _mismatch(name, f"{part}.class_path is {init['class_path']!r}", f"allowed: {', '.join(sorted(allowed))}")
        _check_numbers(name, f"{part}.init_args", _values(name, f"{part}.init_args", init.get("init_args", {}), None), shapes)


def _check_numbers(name: str, where: str, values: Mapping[str, Any], shapes: Shapes) -> None:
    """No size, count or rate of a network is beyond its largest dimension, its number of tensors, or its sample rate."""
    largest = max([len(shapes), _LARGEST_MEL_VALUE, *(size for shape in shapes.values() for size in shape)])
    for field, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and not 0 <= value <= largest:
            raise _mismatch(name, f"{where}.{field} is {value}", f"no number of this checkpoint exceeds {largest:,}")


def _values(
    name: str, where: str, values: object, known: set[str] | None, needed: set[str] | frozenset[str] = frozenset()
) -> Mapping[str, Any]:
    if not isinstance(values, Mapping) or (absent := needed - values.keys()):
        needs = f"it needs {', '.join(sorted(absent))}" if isinstance(values, Mapping) else "it holds fields with values"
        raise _mismatch(name, f"{where} is incomplete or no mapping", needs)
    unknown = sorted(str(field) for field in values if known is not None and field not in known)
    if unknown:
        raise _mismatch(name, f"{where} has {unknown[0]!r}, which is unknown", f"known: {', '.join(sorted(known or ()))}")
    return values


def _size(shapes: Shapes, tensor: str, axis: int) -> int | None:
    shape = shapes.get(tensor, ())
    return shape[axis] if axis < len(shape) else None


def _is_layer(key: str) -> bool:
    parts = key.split(".")
    return parts[:2] in (["transformer", "transformer_blocks"], ["transformer", "layers"]) and parts[2].isdigit()


def _mismatch(name: str, what: str, instead: str) -> CheckpointMismatchError:
    return CheckpointMismatchError(
        f"The configuration {name} does not belong to the checkpoint: {what}; {instead}. Use the one that it was trained with."
    )
