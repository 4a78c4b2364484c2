"""The reference voice: from a file's bytes to the samples and the transcript that the model is given.

The steps are those of F5-TTS's ``preprocess_ref_audio_text`` and one more: mix to mono, take out a constant offset, cut off
what comes before and after the speech, shorten long pauses, cut a long clip at a pause, add 50 ms of silence, resample to
24 kHz. All that can be refused is refused before the resampling, on numpy and soundfile alone.
"""

import math
from dataclasses import dataclass, replace

from f5_worker.audio.codec import decode_audio, resample
from f5_worker.audio.mix import Waveform
from f5_worker.audio.samples import Samples
from f5_worker.errors import ReferenceClipError
from f5_worker.mel import SAMPLE_RATE
from f5_worker.settings import Settings
from f5_worker.voice.reference import Reference, VoiceFile
from f5_worker.voice.transcript import check_ref_text

MIN_SECONDS = 1.0
MAX_SECONDS = 12.0  # what F5-TTS clips a reference to
MAX_SECONDS_WITH_TEXT = 15.0  # a clip is not cut under its transcript
MAX_UPLOAD_SECONDS = 30.0
HELD_SECONDS = 60.0  # of speech in a longer file; what is silent does not count
SCANNED_SECONDS = 1800.0
QUIET_LEVEL = 10 ** (-45 / 20)
_EARLIEST_CUT = 6.0
_TAIL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class CheckedReference:
    """A reference that the model can use, still at the file's own rate: mono float32 [n] within -1 to 1."""

    samples: Samples
    sample_rate: int
    ref_text: str | None
    clipped: bool
    content_id: str
    warnings: tuple[str, ...]

    @property
    def duration(self) -> float:
        """Seconds, the silence at the end included."""
        return len(self.samples) / self.sample_rate


def check_reference(file: VoiceFile, settings: Settings, max_seconds: float | None = None) -> CheckedReference:
    """Decode a reference and bring it into the shape that the model needs, all but the sample rate.

    Without a transcript, more than 12 s are cut at the quietest moment between 6 and 12 s. With it, up to 15 s are kept whole.
    ``max_seconds`` refuses clips with more sound than that, as uploads do (``MAX_UPLOAD_SECONDS``).

    Raises:
        ReferenceClipError: the file or the transcript cannot be used; ``details["field"]`` is the file's or ``ref_text``.
        PackageMissingError: numpy, soundfile or PyAV cannot be imported.
    """
    try:
        if len(file.data) > settings.max_reference_bytes:
            raise ReferenceClipError(
                f"The reference clip has {len(file.data) / 2**20:.3g} MB, more than the allowed "
                f"{settings.max_reference_bytes / 2**20:.3g} MB; send a shorter clip or a compressed format (mp3, flac)."
            )
        return _check(file, max_seconds)
    except ReferenceClipError as error:
        error.with_details(field=file.field)
        raise


def read_reference(file: VoiceFile, settings: Settings) -> Reference:
    """``check_reference``, then 24 kHz.

    Raises:
        ReferenceClipError: as ``check_reference``.
        PackageMissingError: as ``check_reference``, or torch is missing and the clip is not at 24 kHz already.
    """
    checked = check_reference(file, settings)
    samples = resample(checked.samples, checked.sample_rate, SAMPLE_RATE)
    return Reference(samples, checked.ref_text, file.label, checked.clipped, checked.content_id, checked.warnings)


def _check(file: VoiceFile, max_seconds: float | None) -> CheckedReference:
    import numpy as np

    from f5_worker.audio.silence import cut_at_pause, shorten_pauses, speech_level, trim_edges

    decoded = decode_audio(file.data, max_seconds=HELD_SECONDS, scan_seconds=SCANNED_SECONDS)
    rate = decoded.sample_rate
    samples = decoded.samples - np.float32(decoded.samples.mean(dtype=np.float64))
    peak = float(np.abs(samples).max())
    samples = samples / np.float32(peak) if peak > 1.0 else samples
    trimmed = trim_edges(samples, rate)
    if trimmed is None:
        raise _no_speech(replace(decoded, samples=samples))
    samples = shorten_pauses(trimmed, rate)
    seconds = len(samples) / rate
    if seconds < MIN_SECONDS:
        raise ReferenceClipError(
            f"The reference clip holds only {seconds:.2f} s of sound; send {MIN_SECONDS:g} s of speech or more, best 5 to 12 s."
        )
    length = f"more than {decoded.duration:.0f} s" if decoded.more else f"{seconds:.1f} s of sound"
    if max_seconds is not None and (decoded.more or seconds > max_seconds):
        raise ReferenceClipError(f"The voice holds {length}; a stored voice may hold {MIN_SECONDS:g} to {max_seconds:g} s.")
    warnings: tuple[str, ...] = ()
    clipped = False
    ref_text = file.ref_text
    if ref_text is not None:
        if decoded.more or seconds > MAX_SECONDS_WITH_TEXT:
            raise ReferenceClipError(
                f"The reference clip holds {length}; with ref_text it may hold at most {MAX_SECONDS_WITH_TEXT:g} s: the model "
                "uses no more, and speech is rushed or repeats itself when the transcript says more than the used part. Send "
                "a shorter clip with its own transcript, or leave ref_text out: then the clip is cut and transcribed."
            )
        ref_text, warnings = check_ref_text(ref_text, seconds)
    elif clipped := decoded.more or seconds > MAX_SECONDS:
        if seconds > MAX_SECONDS:
            samples = cut_at_pause(samples, rate, _EARLIEST_CUT, MAX_SECONDS - _TAIL_SECONDS)
        used = len(samples) / rate
        after = f" after {decoded.start:.0f} s without speech" if decoded.start else ""
        warnings = (f"The reference clip holds {length}; only the first {used:.1f} s of it{after} are used.",)
    level = speech_level(samples, rate)
    if level < QUIET_LEVEL:
        loudness = 20 * math.log10(level)
        warnings += (
            f"The reference clip is very quiet (its speech is at {loudness:.0f} dBFS) and was amplified, with its noise; a "
            "louder recording gives a cleaner voice.",
        )
    samples = np.concatenate([samples, np.zeros(round(_TAIL_SECONDS * rate), np.float32)])
    return CheckedReference(samples, rate, ref_text, clipped, file.content_id, warnings)


def _no_speech(decoded: Waveform) -> ReferenceClipError:
    """Why nothing in a clip is taken for speech; what is not silent is not called so."""
    import numpy as np

    from f5_worker.audio.silence import SILENT_LEVEL

    heard = np.abs(decoded.samples) >= SILENT_LEVEL
    read = f", as far as it was searched ({SCANNED_SECONDS / 60:.0f} min)" if decoded.more else ""
    if not heard.any():
        return ReferenceClipError(f"The reference clip is silent{read}; send a recording of one clear voice.")
    begins = decoded.start + float(heard.argmax()) / decoded.sample_rate
    return ReferenceClipError(
        f"The reference clip holds no speech{read}: there is sound from {begins:.1f} s on, but it is steady noise, or clicks; "
        "send a recording of one clear voice."
    )
