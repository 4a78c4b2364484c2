"""Where a job's reference clip comes from: base64, a URL, the voice store, a local file, or the worker's own voices."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from f5_worker.errors import (
    InputError,
    NotFoundError,
    ReferenceClipError,
    SettingsError,
    StorageNotConfiguredError,
    WorkerError,
)
from f5_worker.job.context import Job
from f5_worker.voice.builtin import builtin_voice
from f5_worker.voice.cache import ReferenceCache
from f5_worker.voice.download import decode_base64, fetch_url
from f5_worker.voice.reference import Reference, VoiceFile
from f5_worker.voice.shelves import open_shelf
from f5_worker.voice.store import check_stored, fetch_voice

_DEFAULT_VOICE = "DEFAULT_VOICE"
_FIX_DEFAULT = f"Correct {_DEFAULT_VOICE} in the endpoint's settings, or send local_voice or ref_audio_base64 with the job."


class VoiceChoice(Protocol):
    """The part of a request that chooses a voice."""

    @property
    def local_voice(self) -> str | None: ...
    @property
    def ref_audio_base64(self) -> str | None: ...
    @property
    def ref_text(self) -> str | None: ...


def obtain_reference(choice: VoiceChoice, job: Job, cache: ReferenceCache) -> Reference:
    """Fetch, decode and check the reference clip that is asked for; its transcript may still be missing.

    Raises:
        ReferenceClipError: the clip cannot be used.
        NotFoundError: no such voice is stored.
        SettingsError: none is asked for, and ``DEFAULT_VOICE`` cannot be used.
        StorageError: the place of the voices failed, or there is none.
        PackageMissingError: a package that reads audio is missing.
    """
    limit = job.settings.max_reference_bytes
    if choice.ref_audio_base64 is not None:
        field = "ref_audio_base64"
        file = VoiceFile(field, decode_base64(choice.ref_audio_base64, max_bytes=limit, field=field), None, field)
    elif choice.local_voice is not None:
        try:
            file = _named_voice(choice.local_voice, job, "local_voice")
        except (NotFoundError, StorageNotConfiguredError):
            if choice.local_voice not in job.other_voices:
                raise
            job.warnings.append(f"No voice is stored as {choice.local_voice}: the default voice speaks instead.")
            return _unnamed_voice(choice, job, cache)
    else:
        return _unnamed_voice(choice, job, cache)
    return _read(file, choice.ref_text, job, cache)


def _unnamed_voice(choice: VoiceChoice, job: Job, cache: ReferenceCache) -> Reference:
    if job.settings.default_voice is not None:
        return _default_reference(job.settings.default_voice, choice.ref_text, job, cache)
    return builtin_reference(choice.ref_text, job, cache)


def _read(file: VoiceFile, ref_text: str | None, job: Job, cache: ReferenceCache) -> Reference:
    return cache.read(replace(file, ref_text=ref_text or file.ref_text), job.settings)


def _named_voice(voice: str, job: Job, field: str) -> VoiceFile:
    limit = job.settings.max_reference_bytes
    if "://" in voice:
        return VoiceFile(
            "url", fetch_url(voice, max_bytes=limit, timeout=job.settings.download_timeout, field=field), None, field
        )
    return fetch_voice(open_shelf(job), voice, limit, field)


def _default_reference(voice: str, ref_text: str | None, job: Job, cache: ReferenceCache) -> Reference:
    try:
        return _read(_named_voice(voice, job, _DEFAULT_VOICE), ref_text, job, cache)
    except WorkerError as error:
        if error.details.get("field") == "ref_text":
            raise  # the job's
        raise _fault_of_default(error).advise(_FIX_DEFAULT) from error


def check_default_voice(job: Job) -> None:
    """Whether the voice that ``DEFAULT_VOICE`` names is stored; a URL is not asked.

    Raises:
        SettingsError: it is not.
        StorageError: the place of the voices failed, or there is none.
    """
    voice = job.settings.default_voice
    if voice is None or "://" in voice:
        return
    try:
        check_stored(open_shelf(job), voice, _DEFAULT_VOICE)
    except WorkerError as error:
        raise _fault_of_default(error) from error


def _fault_of_default(error: WorkerError) -> WorkerError:
    about = error if error.message.startswith(_DEFAULT_VOICE) else error.because(f"{_DEFAULT_VOICE}: ")
    return SettingsError(about.message) if isinstance(error, InputError) else about


def builtin_reference(ref_text: str | None, job: Job, cache: ReferenceCache) -> Reference:
    """The built-in voice, whatever limit is set on what callers send.

    Raises:
        PackageMissingError: a package that holds it, or reads audio, is missing.
    """
    file = builtin_voice()
    settings = replace(job.settings, max_reference_bytes=max(job.settings.max_reference_bytes, len(file.data)))
    return cache.read(replace(file, ref_text=ref_text or file.ref_text), settings)


def read_local_reference(path: Path, ref_text: str | None, job: Job, cache: ReferenceCache) -> Reference:
    """The same for a file on this machine.

    Raises:
        ReferenceClipError: it cannot be read or used.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ReferenceClipError(
            f"voice_path cannot be read ({error.strerror}); give the path of an audio file.", field="voice_path"
        ) from error
    return cache.read(VoiceFile(path.name, data, ref_text, "voice_path"), job.settings)
