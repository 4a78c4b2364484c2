"""Which files of a model repository on the hub are a model's: rules over its listing, no I/O."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath

from f5_worker.errors import CheckpointNotFoundError

CHECKPOINTS = (".safetensors", ".pt", ".pth")  # in the order in which one of two with the same name is taken
_OTHER_PARTS = re.compile(r"vocos|bigvgan|vocoder|optimi[sz]er|scheduler|training_args|rng_state|duration", re.I)
_STEPS = re.compile(r"(.*?)([0-9]{3,})")
_SHOWN_FILES = 8


@dataclass(frozen=True, slots=True)
class Picked:
    """Paths in the repository. ``config`` may be a YAML file of something else; ``vocoder`` is a folder."""

    checkpoint: str
    vocab: str | None
    config: str | None
    vocoder: str | None


def pick_files(files: Collection[str], source: str, folder: str = "") -> Picked:
    """The model's files of a repository, or of a ``folder`` or checkpoint in it; ``source`` is what the user has written.

    The checkpoint is the only one of the highest folder that has any; of several, ``model.*``, else ``model_last.*``, else the
    one with the most training steps in a series of names. Vocabulary and configuration lie beside it or above.

    Raises:
        CheckpointNotFoundError: there is no checkpoint, or several that may be meant; or several vocabularies.
    """
    parts = [PurePosixPath(file) for file in files]
    checkpoint = _checkpoint(parts, PurePosixPath(folder), source)
    vocabularies = [path for path in parts if path.suffix == ".txt" and "vocab" in path.stem.lower()]
    vocoder = checkpoint.parent / "vocos"
    has_vocoder = {str(vocoder / "config.yaml"), str(vocoder / "pytorch_model.bin")} <= set(files)
    return Picked(
        str(checkpoint),
        _beside(checkpoint, vocabularies, "vocab.txt", source),
        _beside(checkpoint, [path for path in parts if path.suffix in (".yaml", ".yml")], "config.yaml", None),
        str(vocoder) if has_vocoder else None,
    )


def _checkpoint(files: list[PurePosixPath], folder: PurePosixPath, source: str) -> PurePosixPath:
    if folder in files and folder.suffix in CHECKPOINTS:
        return folder
    inside = [path for path in files if path.is_relative_to(folder)]
    found = [path for path in inside if path.suffix in CHECKPOINTS and not _OTHER_PARTS.search(str(path))]
    # f5-tts's own fine-tuning keeps a copy of the model that it began with beside its results.
    found = [path for path in found if not path.name.startswith("pretrained_")] or found
    if not found:
        raise CheckpointNotFoundError(
            f"{source} has no checkpoint ({', '.join(CHECKPOINTS)}) that could be a model's; set F5TTS_CKPT_FILE to the file."
        )
    top = min(len(path.parts) for path in found)
    found = [path for path in found if len(path.parts) == top]
    best = {path.with_suffix(""): path for path in sorted(found, key=lambda path: -CHECKPOINTS.index(path.suffix))}
    if len(best) == 1:
        return next(iter(best.values()))
    if len({path.parent for path in best}) == 1:
        for stem in ("model", "model_last"):
            if (chosen := best.get(next(iter(best)).with_name(stem))) is not None:
                return chosen
        series = {stem: match for stem in best if (match := _STEPS.fullmatch(stem.name))}
        if len(series) == len(best) and len({match[1] for match in series.values()}) == 1:
            return best[max(series, key=lambda stem: int(series[stem][2]))]
    shown = ", ".join(sorted(map(str, best.values()))[:_SHOWN_FILES])
    raise CheckpointNotFoundError(
        f"{source} has several checkpoints ({shown}{', ...' if len(best) > _SHOWN_FILES else ''}); say which one: "
        "F5TTS_MODEL=hf://owner/repo/folder, or F5TTS_CKPT_FILE=hf://owner/repo/file with F5TTS_MODEL set to its configuration."
    )


def _beside(checkpoint: PurePosixPath, found: list[PurePosixPath], usual: str, source: str | None) -> str | None:
    """The one of ``found`` that belongs to ``checkpoint``: nearest upwards, ``usual`` before others; the only one anywhere."""
    for folder in checkpoint.parents:
        here = [path for path in found if path.parent == folder]
        if folder / usual in here:
            return str(folder / usual)
        if len(here) == 1:
            return str(here[0])
        if here and source is not None:
            raise CheckpointNotFoundError(
                f"{source} has several vocabularies ({', '.join(sorted(map(str, here))[:_SHOWN_FILES])}); set F5TTS_VOCAB_FILE."
            )
    return str(found[0]) if len(found) == 1 and source is not None else None
