"""Everybody who speaks in a job: its own voice, and those of ``voices``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from f5_worker.errors import WorkerError
from f5_worker.job.context import Job
from f5_worker.job.request import TtsRequest
from f5_worker.text.tags import MAIN
from f5_worker.voice.cache import ReferenceCache
from f5_worker.voice.reference import Reference
from f5_worker.voice.source import obtain_reference


def obtain_cast(request: TtsRequest, job: Job, cache: ReferenceCache, main: Reference | None = None) -> dict[str, Reference]:
    """The references of all voices by name, whose transcripts may still be missing.

    ``main`` comes first; it is fetched unless it is given, and left out where it does not speak and the job does not bring it.
    Of others that do not speak, the job's warnings tell.

    Raises:
        WorkerError: as ``obtain_reference``; what is wrong with one of ``voices`` names it, and its field there.
    """
    speakers = request.script.speakers
    cast: dict[str, Reference] = {}
    if main is not None:
        cast[MAIN] = main
    elif MAIN in speakers or request.local_voice or request.ref_audio_base64:
        cast[MAIN] = obtain_reference(request, job, cache)
    for name, voice in (request.voices or {}).items():
        job.stop.check()
        with of_voice(name):
            reference = obtain_reference(voice, job, cache)
        cast[name] = replace(reference, warnings=tuple(f"{_part(name)}: {warning}" for warning in reference.warnings))
        if name not in speakers:
            job.warnings.append(f"{_part(name)} says nothing: text has no turn marked [{name}].")
    return cast


@contextmanager
def of_voice(name: str) -> Iterator[None]:
    """What fails here, fails for the voice of that name."""
    try:
        yield
    except WorkerError as error:
        if name != MAIN:
            error.within(_part(name))
        raise


def _part(name: str) -> str:
    return f"voices.{name}"
