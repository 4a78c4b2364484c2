"""Speech for a Python program: a file in place of an answer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from f5_worker.delivery.workspace import kept_folder
from f5_worker.endpoints.speech_file import write
from f5_worker.endpoints.tts import speak
from f5_worker.job.context import Job
from f5_worker.job.request import TtsRequest, parse_job
from f5_worker.resources import Resources
from f5_worker.voice.cast import obtain_cast
from f5_worker.voice.source import read_local_reference


def speak_to_file(fields: Mapping[str, Any], voice_path: str | None, resources: Resources) -> tuple[Path, float]:
    """The file, which with its folder belongs to the caller, and its duration in seconds.

    Args:
        fields: of a ``tts`` job; ``None`` is absent.
        voice_path: an audio file with the reference, whose transcript is ``ref_text``; ``None``: the one that the fields name.

    Raises:
        WorkerError: the fields are wrong, or there can be no speech.
    """
    parsed = parse_job({"input": {name: value for name, value in fields.items() if value is not None}}, resources.settings)
    request, job = parsed.request, Job(resources.settings, parsed.s3)
    assert isinstance(request, TtsRequest)
    ref_text = fields.get("ref_text")
    main = None if voice_path is None else read_local_reference(Path(voice_path), ref_text, job, resources.references)
    cast = obtain_cast(request, job, resources.references, main)
    with kept_folder() as folder:
        spoken = speak(request, cast, job, resources)
        return write(spoken.speech, spoken.output_format, spoken.result_rate, [folder], job), spoken.speech.duration
