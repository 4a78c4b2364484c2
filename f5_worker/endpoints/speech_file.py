"""The file of a speech: in which format it can be handed over, and where it is written."""

from collections.abc import Sequence
from pathlib import Path

from f5_worker import log
from f5_worker.audio.codec import encode_audio
from f5_worker.audio.shrink import SHRUNK, fits_shrunk
from f5_worker.errors import DeliveryError, InputError
from f5_worker.formats import FORMATS
from f5_worker.job.context import Job
from f5_worker.job.request import TtsRequest
from f5_worker.speech.join import Speech


def format_that_fits(seconds: float, request: TtsRequest, job: Job) -> str:
    """The format to write: the one asked for, unless that much of it can be handed over in no way.

    Raises:
        InputError: the speech would be longer than allowed, or nothing could carry it.
    """
    settings, asked = job.settings, request.output_format
    if seconds > settings.max_audio_minutes * 60:
        raise InputError(
            f"text would take {seconds / 60:.1f} minutes to speak, more than the {settings.max_audio_minutes:g} allowed; send "
            "it in parts, raise speed, or set MAX_AUDIO_MINUTES on the endpoint.",
            field="text",
        )
    limit = settings.max_inline_bytes
    if job.s3 is not None or not settings.asked_from_afar or settings.parts_only:
        return asked
    if seconds * request.result_rate * FORMATS[asked].bytes_per_sample <= limit:
        return asked
    if not fits_shrunk(seconds, limit):
        raise InputError(
            f"text would take {seconds / 60:.1f} minutes to speak, more than an answer can hold in any format; send it in "
            "parts, or set an S3 bucket, so that results of any size come as URLs.",
            field="text",
        )
    if asked != SHRUNK:
        job.warnings.append(
            f"{seconds / 60:.1f} minutes of {asked} do not fit into an answer: sent as {SHRUNK} instead. Set an S3 bucket for "
            f"{asked} of any length."
        )
    return SHRUNK


def write(speech: Speech, output_format: str, sample_rate: int, folders: Sequence[Path], job: Job) -> Path:
    """The speech as a file of that format and sample rate (Hz), in the first of ``folders`` that takes it.

    A full disk must not lose audio that was paid for.

    Raises:
        DeliveryError: none does.
    """
    with job.stages("encode"):
        for folder in folders:
            path = folder / f"speech.{output_format}"
            try:
                encode_audio(speech.samples, speech.sample_rate, output_format, path, sample_rate)
            except DeliveryError as error:
                if folder == folders[-1]:
                    raise
                log.warn(f"{error.message} The file is written to memory instead.")
            else:
                return path
    raise DeliveryError("There is no room for temporary files, on the disk or in memory; set TMPDIR to a writable folder.")
