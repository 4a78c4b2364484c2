"""From a model's name in the settings to files on a disk: RunPod's model cache, the hub's cache, a folder, or a download."""

import logging
import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from f5_worker import log
from f5_worker.errors import CheckpointMismatchError, CheckpointNotFoundError, PackageMissingError
from f5_worker.model.engine import real_imports
from f5_worker.runtime.load_errors import explain_load_error
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


@dataclass(frozen=True, slots=True)
class _HubFile:
    repo: str
    path: str

    def __str__(self) -> str:
        return f"{self.repo}/{self.path}"


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
    get = _Fetcher(settings)
    return ModelFiles(
        name=settings.model,
        config=config,
        vocab=get.file(vocab, "F5TTS_VOCAB_FILE"),
        vocoder_config=get.file(f"{vocoder.rstrip('/')}/config.yaml", "F5TTS_VOCODER_PATH"),
        vocoder_weights=get.file(f"{vocoder.rstrip('/')}/pytorch_model.bin", "F5TTS_VOCODER_PATH"),
        checkpoint=get.file(checkpoint, "F5TTS_CKPT_FILE" if settings.ckpt_file else "F5TTS_MODEL"),
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
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        model: Mapping[str, Any] = document["model"]
        _ = model["backbone"], model["arch"]["dim"], model["mel_spec"]["mel_spec_type"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise CheckpointMismatchError(
            f"{path.name} is not an f5-tts model configuration; it needs model.backbone, model.arch and model.mel_spec "
            "as in the configurations that f5-tts ships."
        ) from error
    return model


def _existing(path: Path, setting: str) -> Path:
    if not path.is_file():
        raise CheckpointNotFoundError(
            f"{setting}: there is no file {path.parent.name}/{path.name}; a model folder holds config.yaml, model.safetensors "
            f"(or {PICKLED_CHECKPOINT}), vocab.txt, vocos/config.yaml and vocos/pytorch_model.bin; single files are set by "
            "their full path."
        )
    return path


class _Fetcher:
    """Turns a local path or ``hf://owner/repo/file`` into a file that exists."""

    def __init__(self, settings: Settings) -> None:
        # RunPod mounts its model cache beside the volume's own folders; a worker that has it must not download again.
        self._runpod_cache = settings.network_volume / "huggingface-cache" / "hub"

    def file(self, source: str, setting: str) -> Path:
        if not source.startswith("hf://"):
            return _existing(Path(source), setting)
        owner, _, rest = source.removeprefix("hf://").partition("/")
        name, _, path = rest.partition("/")
        if not (owner and name and path):
            raise CheckpointNotFoundError(f"{setting}={source!r} is not of the form hf://owner/repo/file.")
        wanted = _HubFile(f"{owner}/{name}", path)
        for cache in (self._runpod_cache, hub_cache()):
            if (found := _cached(cache, wanted)) is not None:
                return found
        return _download(wanted)


def hub_cache() -> Path:
    """Where the hub's client keeps its files: ``HF_HUB_CACHE``, else ``HF_HOME/hub``, as in huggingface_hub's constants."""
    explicit = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if explicit:
        return Path(explicit).expanduser()
    cache_home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{cache_home}/huggingface").expanduser() / "hub"


def _cached(cache: Path, wanted: _HubFile) -> Path | None:
    """``try_to_load_from_cache`` of huggingface_hub without its 0.1 s import: ``refs/main`` first, else the newest snapshot."""
    folder = cache / f"models--{wanted.repo.replace('/', '--')}"
    snapshots = folder / "snapshots"
    try:
        revision = (folder / "refs" / "main").read_text().strip()
        candidates = [snapshots / revision]
    except OSError:
        candidates = []
    if snapshots.is_dir():
        candidates += sorted(snapshots.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    return next((path for snapshot in candidates if (path := snapshot / wanted.path).is_file()), None)


def _download(wanted: _HubFile) -> Path:
    """Download one file into the hub's cache, with its progress in the log."""
    try:
        with real_imports:
            from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise PackageMissingError(
            "The Python package huggingface_hub is missing, so the model cannot be downloaded; start through start.sh.",
            package="huggingface_hub",
        ) from error
    # Its retries, each logged twice, say nothing that the error at their end does not.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    started = time.monotonic()
    log.info(f"Downloading {wanted} from the model hub")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a disk that will not do: with its path, and the error comes anyway
            path = Path(hf_hub_download(repo_id=wanted.repo, filename=wanted.path, tqdm_class=_progress(wanted.path)))
    except Exception as error:
        raise explain_load_error(error, f"the model file {wanted}") from error
    size, seconds = path.stat().st_size, time.monotonic() - started
    log.info(f"Downloaded {wanted}: {size / 1e6:.0f} MB in {seconds:.0f} s")
    return path


def _progress(name: str) -> Any:
    """A progress bar class for the hub's client that writes a log line every ten seconds instead of drawing."""
    from tqdm import tqdm

    class LoggedProgress(tqdm):  # type: ignore[misc, unused-ignore]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            options["disable"] = True
            super().__init__(*args, **options)
            self._total, self._done, self._next = options.get("total") or 0, options.get("initial") or 0, time.monotonic() + 10

        def update(self, n: float | None = 1) -> bool | None:
            self._done += n or 0
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + 10
                share = f" of {self._total / 1e6:.0f} MB ({self._done / self._total:.0%})" if self._total else ""
                log.info(f"Downloading {Path(name).name}: {self._done / 1e6:.0f} MB{share}")
            return None

    return LoggedProgress
