"""Where a job's reference clip comes from: the built-in voice, S3, a URL, base64, or a local file."""

from dataclasses import replace
from pathlib import Path

from f5_worker.errors import ReferenceClipError
from f5_worker.job.context import Job
from f5_worker.job.request import TtsRequest
from f5_worker.voice.clip import BUILTIN_VOICE, ReferenceCache, ReferenceClip, builtin_voice
from f5_worker.voice.download import decode_base64, fetch_url
from f5_worker.voice.store import fetch_voice


def obtain_reference(request: TtsRequest, job: Job, cache: ReferenceCache) -> ReferenceClip:
    """Fetch, decode and check the reference clip that the request names; its transcript may still be missing.

    Raises:
        ReferenceClipError, NotFoundError: the clip cannot be used, or there is none.
        StorageError: S3 failed, or is needed and not configured.
        PackageMissingError: a package that reads audio is missing.
    """
    settings, limit = job.settings, job.settings.max_reference_bytes
    ref_text, field = request.ref_text, "local_voice"
    if request.ref_audio_base64 is not None:
        field = voice = "ref_audio_base64"
        data = decode_base64(request.ref_audio_base64, max_bytes=limit, field=field)
    elif request.voice_url is not None:
        voice = "url"
        data = fetch_url(request.voice_url, max_bytes=limit, timeout=settings.download_timeout, field=field)
    elif request.voice_name is not None:
        stored = fetch_voice(job.storage(), request.voice_name, limit)
        voice, data, ref_text = stored.name, stored.data, ref_text or stored.ref_text
    else:
        built_in = builtin_voice()
        voice, data, ref_text = BUILTIN_VOICE, built_in.data, ref_text or built_in.ref_text
        settings = replace(settings, max_reference_bytes=max(limit, len(data)))  # the limit is for what callers send
    return cache.read(data, voice=voice, ref_text=ref_text, settings=settings, field=field)


def read_local_reference(path: Path, ref_text: str | None, job: Job, cache: ReferenceCache) -> ReferenceClip:
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
    return cache.read(data, voice=path.name, ref_text=ref_text, settings=job.settings, field="voice_path")
