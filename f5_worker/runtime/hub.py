"""Files of the model hub: from the image, from RunPod's model cache, from the hub's own cache, or downloaded into that."""

import logging
import os
import threading
import time
import warnings
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.places import door, image
from f5_worker import log, progress
from f5_worker.errors import CheckpointNotFoundError, HubUnreachableError, PackageMissingError
from f5_worker.runtime.load_errors import explain_load_error
from f5_worker.runtime.packages import missing_package, real_imports

SCHEME = "hf://"
_LISTING_SECONDS = 5.0

_ANSWER_SECONDS = 4.0
"""Until the hub must answer one small request; ``HF_HUB_ETAG_TIMEOUT`` says otherwise. A download may take any time."""


@dataclass(frozen=True, slots=True)
class _HubFile:
    repo: str
    path: str

    def __str__(self) -> str:
        return f"{self.repo}/{self.path}"


def hub_file(source: str, setting: str, network_volume: Path) -> Path:
    """The file that ``hf://owner/repo/file`` stands for, downloaded unless it is cached.

    Raises:
        CheckpointNotFoundError: ``source`` (which ``setting`` has set) has another form, or the hub has no such file.
        HubUnreachableError, DiskFullError, PackageMissingError: as their names say.
    """
    owner, _, rest = source.removeprefix(SCHEME).partition("/")
    name, _, path = rest.partition("/")
    if not (owner and name and path):
        raise CheckpointNotFoundError(f"{setting}={source!r} is not of the form {SCHEME}owner/repo/file.")
    wanted = _HubFile(f"{owner}/{name}", path)
    # RunPod mounts its model cache beside the volume's own folders; a worker that has it must not download again.
    for cache in (_image_cache(), *_runpods_cache(network_volume), _hub_cache()):
        if (found := _cached(cache, wanted)) is not None:
            return found
    return _download(wanted)


def _image_cache() -> Path:
    """What the image's build has downloaded: the vocoder."""
    return image(os.environ).base / "hub"


def _runpods_cache(network_volume: Path) -> list[Path]:
    """RunPod's model cache, unless the volume that it would lie on fails."""
    return [] if door(network_volume).look().trouble else [network_volume / "huggingface-cache" / "hub"]


def hub_listing(repo: str, network_volume: Path) -> list[str]:
    """All files of a model repository: of RunPod's cache, which holds whole ones, else as the hub lists them.

    Where the hub cannot be reached, what is cached of it counts as the whole.

    Raises:
        CheckpointNotFoundError: the hub has no such repository.
        HubUnreachableError, PackageMissingError: as their names say.
    """
    for cache in _runpods_cache(network_volume):
        if cached := _cached_files(cache, repo):
            return cached
    try:
        with real_imports:
            from huggingface_hub import HfApi
        siblings = HfApi().model_info(repo, timeout=_LISTING_SECONDS).siblings or []
    except ImportError as error:
        raise missing_package(error) from error
    except Exception as error:
        explained = explain_load_error(error, f"the list of files of {repo}")
        if isinstance(explained, HubUnreachableError) and (cached := _cached_files(_hub_cache(), repo)):
            return cached
        raise explained from error
    return [sibling.rfilename for sibling in siblings]


def whole_repository(repo: str, network_volume: Path) -> Path | None:
    """The folder of a repository that RunPod's cache holds (the endpoint's *Model* field), which is a whole one."""
    snapshots = [folder for cache in _runpods_cache(network_volume) for folder in _snapshots(cache, repo)]
    return next((folder for folder in snapshots if (folder / "config.json").is_file()), None)


def _hub_cache() -> Path:
    """Where the hub's client keeps its files: ``HF_HUB_CACHE``, else ``HF_HOME/hub``, as in huggingface_hub's constants."""
    explicit = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if explicit:
        return Path(explicit).expanduser()
    cache_home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{cache_home}/huggingface").expanduser() / "hub"


def _cached(cache: Path, wanted: _HubFile) -> Path | None:
    """``try_to_load_from_cache`` of huggingface_hub without its 0.1 s import: ``refs/main`` first, else the newest snapshot."""
    snapshots = _snapshots(cache, wanted.repo)
    return next((path for snapshot in snapshots if (path := snapshot / wanted.path).is_file()), None)


def _cached_files(cache: Path, repo: str) -> list[str]:
    """Paths in the first snapshot of ``repo``."""
    for snapshot in _snapshots(cache, repo)[:1]:
        return [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()]
    return []


def _snapshots(cache: Path, repo: str) -> list[Path]:
    """The snapshots of ``repo`` in the order in which they are to be asked."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    snapshots = folder / "snapshots"
    try:
        revision = (folder / "refs" / "main").read_text().strip()
        candidates = [snapshots / revision]
    except OSError:
        candidates = []
    if snapshots.is_dir():
        candidates += sorted(snapshots.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    return candidates


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
        _ask(wanted.repo, wanted.path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a disk that will not do: with its path, and the error comes anyway
            path = Path(hf_hub_download(repo_id=wanted.repo, filename=wanted.path, tqdm_class=_progress(wanted.path)))
    except Exception as error:
        raise explain_load_error(error, f"the model file {wanted}") from error
    size, seconds = path.stat().st_size, time.monotonic() - started
    log.info(f"Downloaded {wanted}: {size / 1e6:.0f} MB in {seconds:.0f} s")
    return path


def repository(name: str) -> str:
    """What transformers may be given for the repository ``name``: the name, or its cached folder where the hub does not answer.

    By its name transformers asks the hub for each file anew, also for those that are cached, and waits each time.

    Raises:
        Exception: the client's own, where nothing is cached.
    """
    try:
        _ask(name, "config.json")
    except Exception as error:  # noqa: BLE001 - whatever keeps the client from asking keeps it from downloading too
        from huggingface_hub import snapshot_download

        log.warn(f"The model hub cannot be reached ({type(error).__name__}); only what is cached can be used")
        return str(snapshot_download(name, local_files_only=True))
    return name


def _ask(repo: str, path: str) -> None:
    """Raise at once what the hub's client raises after minutes of tries, where the hub does not answer for a file of ``repo``.

    Any answer will do, one that there is no such file too: what to make of it is left to the request that needs the file.

    Raises:
        ConnectionError: no answer in time.
        Exception: the client's own, for a connection that is refused, a name that does not resolve, or ``HF_HUB_OFFLINE``.
    """
    with real_imports:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError

    seconds = float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or _ANSWER_SECONDS)
    answered: Future[None] = Future()

    def ask() -> None:
        try:
            get_hf_file_metadata(hf_hub_url(repo, path), timeout=seconds)
        except HfHubHTTPError:
            answered.set_result(None)
        except Exception as error:  # noqa: BLE001 - raised in the caller's thread
            answered.set_exception(error)
        else:
            answered.set_result(None)

    # A thread, since a name's resolution has no timeout, and the client's own counts anew for each step of a request.
    threading.Thread(target=ask, name="hub-answer", daemon=True).start()
    try:
        answered.result(seconds + 1)
    except TimeoutError as error:
        raise ConnectionError(f"no answer within {seconds + 1:g} s") from error


def _progress(name: str) -> Any:
    """A progress bar class for the hub's client that writes a log line every ten seconds instead of drawing."""
    from tqdm import tqdm

    class LoggedProgress(tqdm):  # type: ignore[misc, unused-ignore]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            options["disable"] = True
            super().__init__(*args, **options)
            self._total, self._done, self._next = options.get("total") or 0, options.get("initial") or 0, time.monotonic() + 10
            self._shown = progress.start(f"Downloading {Path(name).name}", self._total or None, "B")
            self._shown.advance(self._done)

        def update(self, n: float | None = 1) -> bool | None:
            self._done += n or 0
            self._shown.advance(n or 0)
            if time.monotonic() >= self._next and not progress.is_shown():
                self._next = time.monotonic() + 10
                share = f" of {self._total / 1e6:.0f} MB ({self._done / self._total:.0%})" if self._total else ""
                log.info(f"Downloading {Path(name).name}: {self._done / 1e6:.0f} MB{share}")
            return None

        def close(self) -> None:
            super().close()
            self._shown.end()

    return LoggedProgress
