"""From a model's name in the settings to files on a disk: those of a folder, or of the model hub."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from f5_worker.errors import CheckpointMismatchError, CheckpointNotFoundError
from f5_worker.runtime import hub
from f5_worker.runtime.packages import package_folder
from f5_worker.settings import Settings

# The checkpoints that F5TTS (f5-tts, api.py) downloads for its configurations; the Small ones were never published.
OFFICIAL_CHECKPOINTS: Mapping[str, str] = {
    "F5TTS_v1_Base": "hf://SWivid/F5-TTS/F5TTS_v1_Base/model_1250000.safetensors",
    "F5TTS_Base": "hf://SWivid/F5-TTS/F5TTS_Base/model_1200000.safetensors",
    "E2TTS_Base": "hf://SWivid/E2-TTS/E2TTS_Base/model_1200000.safetensors",
}
OFFICIAL_VOCODER = "hf://charactr/vocos-mel-24khz"
SMOKE_MODEL = "smoke"
DEMO_MODEL = "demo"
DEMO_FOLDER = Path(__file__).with_name(DEMO_MODEL)
"""A tiny model that speaks, in every image and checkout; its MODEL_CARD.md says from what it was made."""
PICKLED_CHECKPOINT = "model.pt"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where everything that one model needs lies. ``config`` is f5-tts's own format; ``vocoder_*`` are vocos's."""

    name: str
    config: Path
    checkpoint: Path
    vocab: Path
    vocoder_config: Path
    vocoder_weights: Path

    @classmethod
    def in_folder(cls, name: str, folder: Path) -> Self:
        """The layout of a model folder. Where it has no ``model.safetensors``, ``PICKLED_CHECKPOINT`` is read."""
        return cls(
            name=name,
            config=folder / "config.yaml",
            checkpoint=folder / "model.safetensors",
            vocab=folder / "vocab.txt",
            vocoder_config=folder / "vocos" / "config.yaml",
            vocoder_weights=folder / "vocos" / "pytorch_model.bin",
        )


def locate_model(settings: Settings) -> ModelFiles:
    """Find, or download, the files of the configured model. The demo model is whole: no ``F5TTS_*_FILE`` changes it.

    Raises:
        CheckpointNotFoundError, HubUnreachableError, DiskFullError, PackageMissingError: as their names say.
    """
    if settings.model == DEMO_MODEL:
        return ModelFiles.in_folder(DEMO_MODEL, DEMO_FOLDER)
    folder, official = Path(settings.model), official_configs()
    if settings.model in official:
        config = official[settings.model]
        checkpoint = settings.ckpt_file or OFFICIAL_CHECKPOINTS.get(settings.model)
        vocab, vocoder = settings.vocab_file or str(official_vocab()), settings.vocoder_path or OFFICIAL_VOCODER
        if checkpoint is None:
            raise CheckpointNotFoundError(
                f"F5TTS_MODEL={settings.model} has no published checkpoint; set F5TTS_CKPT_FILE to yours, "
                f"or use one of {', '.join(OFFICIAL_CHECKPOINTS)}."
            )
    elif folder.is_dir():
        own, pickled = ModelFiles.in_folder(settings.model, folder), folder / PICKLED_CHECKPOINT
        config = _existing(own.config, "F5TTS_MODEL")
        is_pickled = pickled.is_file() and not own.checkpoint.is_file()
        checkpoint = settings.ckpt_file or str(pickled if is_pickled else own.checkpoint)
        vocab = settings.vocab_file or str(own.vocab)
        vocoder = settings.vocoder_path or str(own.vocoder_config.parent)
    else:
        raise CheckpointNotFoundError(
            f"F5TTS_MODEL={settings.model!r} is neither a configuration of f5-tts ({', '.join(sorted(official))}), "
            f"nor {DEMO_MODEL}, nor {SMOKE_MODEL}, nor a folder that exists."
        )
    return ModelFiles(
        name=settings.model,
        config=config,
        vocab=_file(vocab, "F5TTS_VOCAB_FILE", settings),
        vocoder_config=_file(f"{vocoder.rstrip('/')}/config.yaml", "F5TTS_VOCODER_PATH", settings),
        vocoder_weights=_file(f"{vocoder.rstrip('/')}/pytorch_model.bin", "F5TTS_VOCODER_PATH", settings),
        checkpoint=_file(checkpoint, "F5TTS_CKPT_FILE" if settings.ckpt_file else "F5TTS_MODEL", settings),
    )


def official_configs() -> dict[str, Path]:
    """The configurations that the installed f5-tts ships, by name.

    Raises:
        PackageMissingError: when f5-tts is not installed.
    """
    return {path.stem: path for path in (package_folder("f5_tts") / "configs").glob("*.yaml")}


def official_vocab() -> Path:
    """The vocabulary of the official checkpoints, which f5-tts ships as an example.

    Raises:
        PackageMissingError: when f5-tts is not installed.
    """
    return package_folder("f5_tts") / "infer" / "examples" / "vocab.txt"


def load_config(path: Path) -> Mapping[str, Any]:
    """The ``model`` part of an f5-tts configuration.

    Raises:
        CheckpointMismatchError: when it is not one.
    """
    try:
        model: Mapping[str, Any] = load_yaml(path)["model"]
        _ = model["backbone"], model["arch"]["dim"], model["mel_spec"]["mel_spec_type"]
    except (KeyError, TypeError, IndexError, CheckpointMismatchError) as error:
        raise CheckpointMismatchError(
            f"{path.name} is not an f5-tts model configuration; it needs model.backbone, model.arch and model.mel_spec "
            "as in the configurations that f5-tts ships."
        ) from error
    return model


def load_yaml(path: Path) -> Any:
    """The document in a YAML file.

    Raises:
        CheckpointMismatchError: when it is not valid YAML.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise CheckpointMismatchError(
            f"{path.parent.name}/{path.name} is not valid YAML; use the configuration that the checkpoint was trained with."
        ) from error


def _existing(path: Path, setting: str) -> Path:
    if not path.is_file():
        raise CheckpointNotFoundError(
            f"{setting}: there is no file {path.parent.name}/{path.name}; a model folder holds config.yaml, model.safetensors "
            f"(or {PICKLED_CHECKPOINT}), vocab.txt, vocos/config.yaml and vocos/pytorch_model.bin; single files are set by "
            "their full path."
        )
    return path


def _file(source: str, setting: str, settings: Settings) -> Path:
    """The file that a path or ``hf://owner/repo/file`` in ``setting`` stands for."""
    if source.startswith(hub.SCHEME):
        return hub.hub_file(source, setting, settings.network_volume)
    return _existing(Path(source), setting)
