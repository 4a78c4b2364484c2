"""Whether a configuration can belong to a checkpoint, by the shapes in the checkpoint's header; before anything is built.

A wrong number is not found by building: a million layers are minutes, and more memory than the machine has.
"""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from f5_worker.errors import CheckpointMismatchError
from f5_worker.mel import HOP_LENGTH, SAMPLE_RATE

Shapes = Mapping[str, tuple[int, ...]]

VOCODER_CLASSES: Mapping[str, frozenset[str]] = {
    "feature_extractor": frozenset({"vocos.feature_extractors.MelSpectrogramFeatures"}),
    "backbone": frozenset({"vocos.models.VocosBackbone", "vocos.models.VocosResNetBackbone"}),
    "head": frozenset({"vocos.heads.ISTFTHead", "vocos.heads.IMDCTSymExpHead", "vocos.heads.IMDCTCosHead"}),
}
"""What a vocoder's configuration may name. vocos imports and calls whatever stands there, so anything else could be code."""

_LARGEST_MEL_VALUE = 65_536
_MEL_SIZES = ("n_fft", "win_length", "n_mel_channels")
_WORDS: Mapping[str, tuple[str | None, ...]] = {
    "qk_norm": (None, "rms_norm"),
    "attn_backend": ("torch",),
    "skip_connect_type": ("concat", "add", "none"),
    "padding": ("center", "same"),
}
_SOUND = {"sample_rate": SAMPLE_RATE, "hop_length": HOP_LENGTH}
"""What a vocoder must have been made for: another one speaks too, faster or slower."""


def check_arch(name: str, arch: object, backbone: Callable[..., Any], shapes: Shapes) -> None:
    """Check ``model.arch`` of the configuration ``name`` against what ``backbone`` takes and the checkpoint's shapes.

    Raises:
        CheckpointMismatchError: names the value, and what it can be.
    """
    values = _arguments(name, "model.arch", arch, backbone, given=("text_num_embeds", "mel_dim"))
    _check_numbers(name, "model.arch", values, shapes)
    layers = 1 + max((int(key.split(".")[2]) for key in shapes if _is_layer(key)), default=-1)
    for field, found in (
        ("depth", layers),
        ("dim", _size(shapes, "transformer.input_embed.proj.weight", 0)),
        ("text_dim", _size(shapes, "transformer.text_embed.text_embed.weight", 1)),
    ):
        if found and values.get(field, found) not in (None, found):
            raise _mismatch(name, f"model.arch.{field} is {values[field]}", f"the checkpoint has {found}")


def check_mel(name: str, mel: Mapping[str, Any]) -> None:
    """Check ``model.mel_spec``: whole numbers that a transform can have.

    Raises:
        CheckpointMismatchError: names the value.
    """
    _values(name, "model.mel_spec", mel, {*_MEL_SIZES, "hop_length", "target_sample_rate", "mel_spec_type"})
    for field in _MEL_SIZES:
        value = mel.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST_MEL_VALUE:
            raise _mismatch(name, f"model.mel_spec.{field} is {value!r}", f"it is a whole number up to {_LARGEST_MEL_VALUE:,}")
    if mel["win_length"] > mel["n_fft"]:
        raise _mismatch(
            name, f"model.mel_spec.win_length is {mel['win_length']}", f"n_fft is {mel['n_fft']}, and it is no more than that"
        )


def check_vocoder(name: str, config: object, shapes: Shapes, mel_channels: int) -> None:
    """Check a vocoder's configuration: the classes that may be named, and their numbers against the checkpoint's shapes.

    Raises:
        CheckpointMismatchError: names the value, and what is allowed.
    """
    parts = _values(name, "the file", config, set(VOCODER_CLASSES), needed=set(VOCODER_CLASSES))
    for part, allowed in VOCODER_CLASSES.items():
        init = _values(name, part, parts[part], {"class_path", "init_args"}, needed={"class_path"})
        path, where = init["class_path"], f"{part}.init_args"
        if not isinstance(path, str) or path not in allowed:
            raise _mismatch(name, f"{part}.class_path is {path!r}", f"allowed: {', '.join(sorted(allowed))}")
        module, _, cls = path.rpartition(".")
        values = _arguments(name, where, init.get("init_args", {}), getattr(import_module(module), cls))
        _check_numbers(name, where, values, shapes)
        for field, wanted in {**_SOUND, "input_channels": mel_channels, "n_mels": mel_channels}.items():
            if values.get(field, wanted) not in (None, wanted):
                raise _mismatch(name, f"{where}.{field} is {values[field]}", f"this model's speech needs {wanted}")


def _arguments(
    name: str, where: str, values: object, function: Callable[..., Any], given: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    """``values``, all of which ``function`` takes, and with all that it needs, but for those that are ``given`` by others."""
    known = {field: known for field, known in inspect.signature(function).parameters.items() if field not in ("self", *given)}
    needed = {field for field, parameter in known.items() if parameter.default is parameter.empty}
    found = _values(name, where, values, set(known), needed)
    for field, value in found.items():
        if (allowed := _not_allowed(known[field], value)) is not None:
            raise _mismatch(name, f"{where}.{field} is {value!r}", f"it is {allowed}")
    return found


def _not_allowed(parameter: inspect.Parameter, value: object) -> str | None:
    """What a parameter takes, where ``value`` is not of that kind; told by its default value, for upstream names few types."""
    default, optional = parameter.default, parameter.default is None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if (words := _WORDS.get(parameter.name)) is not None:
        return None if value in words else f"one of {', '.join(word or 'null' for word in words)}"
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if optional and value is None:
        return None
    if parameter.name == "layer_scale_init_value":
        return None if is_number else "a number, or null"
    if isinstance(default, float):
        return None if is_number and 0 <= value <= 1 else "a number from 0 to 1"  # type: ignore[operator]
    least = 0 if default == 0 else 1
    fits = is_number and isinstance(value, int) and value >= least
    return None if fits else f"a whole number from {least} on{', or null' if optional else ''}"


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
