"""From a model's name in the settings to files on a disk: those of a folder, or of the model hub."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from f5_worker.errors import CheckpointMismatchError, CheckpointNotFoundError
from f5_worker.model.community import COMMUNITY, CommunityModel, community_model
from f5_worker.model.configuration import by_tensors, doubt, named
from f5_worker.model.repository import pick_files
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
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_REPOSITORY_URL = re.compile(rf"{hub.SCHEME}({_REPOSITORY.pattern})(?:/(.*?))?/?", re.ASCII)
_UNSAID = "F5TTS_CKPT_FILE is set, and F5TTS_MODEL is not"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where everything that one model needs lies. ``config`` is f5-tts's own format; ``vocoder_*`` are vocos's."""

    name: str
    config: Path
    checkpoint: Path
    vocab: Path
    vocoder_config: Path
    vocoder_weights: Path
    warning: str | None = None
    """What a caller must know of how they were chosen."""

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
    sources = _sources(settings)
    vocab, vocoder = settings.vocab_file or sources.vocab, (settings.vocoder_path or sources.vocoder).rstrip("/")
    checkpoint, setting = settings.ckpt_file or sources.checkpoint, "F5TTS_CKPT_FILE" if settings.ckpt_file else "F5TTS_MODEL"
    files = ModelFiles(
        name=settings.model,
        config=Path(),  # told last: it may have to be read off the checkpoint, and that is downloaded last
        vocab=_file(vocab, "F5TTS_VOCAB_FILE", settings),
        vocoder_config=_file(f"{vocoder}/config.yaml", "F5TTS_VOCODER_PATH", settings),
        vocoder_weights=_file(f"{vocoder}/pytorch_model.bin", "F5TTS_VOCODER_PATH", settings),
        checkpoint=_file(checkpoint, setting, settings),
    )
    config, warning = _configuration(sources, files.checkpoint, settings)
    return replace(files, config=config, warning=warning)


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where a model's parts come from: paths, or ``hf://owner/repo/file``. ``vocoder`` is a folder.

    ``config`` is a name of f5-tts's, or a file; ``None`` where nothing says it. Then ``unsaid`` is what to say of that, and
    ``otherwise`` what to take where the tensors fit none of f5-tts's.
    """

    config: str | None
    checkpoint: str
    vocab: str
    vocoder: str = OFFICIAL_VOCODER
    unsaid: str = ""
    otherwise: str = Settings().model


def configuration_doubt(settings: Settings) -> str | None:
    """What ``health`` can say before any load: the checkpoint is set, and its configuration is told by nothing."""
    source = settings.ckpt_file
    if settings.model_chosen or source is None or community_model(source) is not None or named(source) is not None:
        return None
    return f"{_UNSAID}; set F5TTS_MODEL to the configuration that the checkpoint was trained with."


def _sources(settings: Settings) -> _Sources:
    official, folder = official_configs(), Path(settings.model)
    if (known := community_model(settings.model)) is not None:
        return _of_community(known)
    if settings.model.startswith(hub.SCHEME):
        return _of_repository(settings)
    vocoder = str(folder / "vocos") if settings.model not in official and folder.is_dir() else OFFICIAL_VOCODER
    if settings.ckpt_file and not settings.model_chosen:
        otherwise = str(folder / "config.yaml") if folder.is_dir() else settings.model
        return replace(_of_checkpoint(settings.ckpt_file), vocoder=vocoder, otherwise=otherwise)
    if settings.model in official:
        checkpoint = settings.ckpt_file or OFFICIAL_CHECKPOINTS.get(settings.model)
        if checkpoint is None:
            raise CheckpointNotFoundError(
                f"F5TTS_MODEL={settings.model} has no published checkpoint; set F5TTS_CKPT_FILE to yours, "
                f"or use one of {', '.join(OFFICIAL_CHECKPOINTS)}."
            )
        return _Sources(settings.model, checkpoint, str(official_vocab()))
    if folder.is_dir():
        own, pickled = ModelFiles.in_folder(settings.model, folder), folder / PICKLED_CHECKPOINT
        is_pickled = pickled.is_file() and not own.checkpoint.is_file()
        checkpoint = str(pickled if is_pickled else own.checkpoint)
        return _Sources(str(_existing(own.config, "F5TTS_MODEL")), checkpoint, str(own.vocab), vocoder)
    hint = f" (did you mean {hub.SCHEME}{settings.model}?)" if _REPOSITORY.fullmatch(settings.model) else ""
    raise CheckpointNotFoundError(
        f"F5TTS_MODEL={settings.model!r}{hint} is neither a configuration of f5-tts ({', '.join(sorted(official))}), nor the "
        f"short name of a community model ({', '.join(COMMUNITY)}), nor {hub.SCHEME}owner/repo, nor {DEMO_MODEL}, nor "
        f"{SMOKE_MODEL}, nor a folder that exists."
    )


def _of_community(model: CommunityModel) -> _Sources:
    return _Sources(model.config, model.source(model.checkpoint), model.source(model.vocab))


def _of_checkpoint(source: str) -> _Sources:
    """A checkpoint alone, from what is known of it or from its path."""
    if (known := community_model(source)) is not None:
        return _of_community(known)
    return _Sources(named(source), source, str(official_vocab()), unsaid=_UNSAID)


def _of_repository(settings: Settings) -> _Sources:
    """A repository of the hub, or a folder or a checkpoint in it, by its listing."""
    match = _REPOSITORY_URL.fullmatch(settings.model)
    if match is None:
        raise CheckpointNotFoundError(f"F5TTS_MODEL={settings.model!r} is not of the form {hub.SCHEME}owner/repo.")
    repo, inside = match[1], match[2] or ""
    picked = pick_files(hub.hub_listing(repo, settings.network_volume), settings.model, inside)
    base = f"{hub.SCHEME}{repo}/"
    return _Sources(
        base + picked.config if picked.config else named(f"{repo}/{picked.checkpoint}"),
        base + picked.checkpoint,
        base + picked.vocab if picked.vocab else str(official_vocab()),
        base + picked.vocoder if picked.vocoder else OFFICIAL_VOCODER,
        unsaid=f"{settings.model} does not say its configuration",
    )


def _configuration(sources: _Sources, checkpoint: Path, settings: Settings) -> tuple[Path, str | None]:
    """The configuration's file, and what is doubtful about it."""
    official, config = official_configs(), sources.config
    if config is not None and config not in official:
        path = _file(config, "F5TTS_MODEL", settings)
        if not config.startswith(hub.SCHEME) or _is_config(path):
            return path, None
        config = named(sources.checkpoint)  # a YAML file of something else
    fitting, before_v1 = by_tensors(checkpoint) if settings.ckpt_file or sources.unsaid else (None, False)
    if config is None:
        taken = fitting or sources.otherwise
        return official.get(taken) or _existing(Path(taken), "F5TTS_MODEL"), doubt(sources.unsaid, taken, before_v1=before_v1)
    known = community_model(settings.ckpt_file or "")
    trained = known.config if known else config.replace("_v1", "") if before_v1 else config
    if trained == config:
        return official[config], None
    return official[config], (
        f"The checkpoint was trained as {trained} and is used as {config}: it loads, but speaks otherwise than trained; "
        f"set F5TTS_MODEL={trained}."
    )


def _is_config(path: Path) -> bool:
    try:
        load_config(path)
    except CheckpointMismatchError:
        return False
    return True


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
    except (yaml.YAMLError, ValueError, RecursionError) as error:
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
