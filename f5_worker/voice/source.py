"""Where a job's reference clip comes from: the built-in voice, S3, a URL, base64, or a local file."""

from dataclasses import replace
from pathlib import Path

from f5_worker.errors import ReferenceClipError
from f5_worker.job.context import Job
from f5_worker.job.request import TtsRequest
from f5_worker.voice.builtin import builtin_voice
from f5_worker.voice.cache import ReferenceCache
from f5_worker.voice.download import decode_base64, fetch_url
from f5_worker.voice.reference import Reference, VoiceFile
from f5_worker.voice.store import fetch_voice


def obtain_reference(request: TtsRequest, job: Job, cache: ReferenceCache) -> Reference:
    """Fetch, decode and check the reference clip that the request names; its transcript may still be missing.

    Raises:
        ReferenceClipError: the clip cannot be used.
        NotFoundError: no such voice is stored.
        StorageError: S3 failed, or is needed and not configured.
        PackageMissingError: a package that reads audio is missing.
    """
    settings, limit = job.settings, job.settings.max_reference_bytes
    if request.ref_audio_base64 is not None:
        field = "ref_audio_base64"
        data = decode_base64(request.ref_audio_base64, max_bytes=limit, field=field)
        file = VoiceFile(field, data, request.ref_text, field)
    elif request.voice_url is not None:
        data = fetch_url(request.voice_url, max_bytes=limit, timeout=settings.download_timeout, field="local_voice")
        file = VoiceFile("url", data, request.ref_text)
    elif request.voice_name is not None:
        file = fetch_voice(job.storage(), request.voice_name, limit)
    else:
        return builtin_reference(request.ref_text, job, cache)
    return cache.read(replace(file, ref_text=request.ref_text or file.ref_text), settings)


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
