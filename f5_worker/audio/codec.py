"""Bytes to samples and samples to files: every audio format the worker reads or writes.

numpy, soundfile and PyAV are imported by the functions that use them.
"""

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from f5_worker.audio import rates
from f5_worker.audio.samples import Samples
from f5_worker.audio.signatures import container_of, fraction_present, name_if_not_audio
from f5_worker.errors import DeliveryError, ReferenceClipError, SynthesisError
from f5_worker.formats import FORMATS, READABLE, AudioFormat
from f5_worker.runtime.packages import missing_package

MIN_SAMPLE_RATE = 4_000
MAX_SAMPLE_RATE = 384_000
MAX_CHANNELS = 32
_BLOCK = 65_536  # values (frames x channels) in one read
_UNKNOWN_LENGTH = 2**48  # libsndfile says the largest number it has where a stream does not tell
_LARGEST_RATIO_TERM = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Mono samples (float32, [n]) at ``sample_rate`` Hz. ``more`` says that the file goes on past the limit it was read to."""

    samples: Samples
    sample_rate: int
    more: bool = False

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


def decode_audio(data: bytes, *, max_seconds: float) -> Waveform:
    """Decode a file of any format in ``READABLE`` and mix it down to mono.

    At most ``max_seconds`` are read, in blocks, so a small file that unpacks to hours costs no more than that. The mix is the
    mean of the channels as in F5-TTS; where they cancel each other (one is the inverse of the other) it is the first channel.

    Raises:
        ReferenceClipError: the data is empty, is something else than audio (and says what), is damaged or cut short, has a
            sample rate or number of channels that no recording has, or holds NaN or infinity.
        PackageMissingError: numpy, soundfile or PyAV cannot be imported.
    """
    if not data:
        raise clip_error("is empty (0 bytes)")
    if (name := name_if_not_audio(data)) is not None:
        raise clip_error(f"is {name}, not audio")
    demuxer = container_of(data)
    with _packages():
        return _decode_container(data, demuxer, max_seconds) if demuxer else _decode_sound_file(data, max_seconds)


def encode_audio(samples: Samples, sample_rate: int, output_format: str, path: Path, to_rate: int | None = None) -> None:
    """Write float32 ``samples`` [n] to ``path`` in one of ``FORMATS``; 16 bits where the format is lossless.

    ``to_rate`` is the sample rate of the file, in Hz, where that is another.

    Samples beyond 1.0 turn the whole down until the loudest is 1.0: nothing is clipped, the shape stays. The folder is one
    that only this job sees: nobody else meets what a full disk leaves there.

    Raises:
        SynthesisError: there are no samples, or some are NaN or infinite.
        DeliveryError: the disk is full or not writable, or the encoder failed.
    """
    with _packages():
        resampled = rates.to_rate(samples, sample_rate, to_rate or sample_rate)
        encoded = encode(resampled, to_rate or sample_rate, FORMATS[output_format])
    try:
        path.write_bytes(encoded)
    except OSError as error:
        size = f"{len(encoded) / 1e6:.1f} MB of {output_format}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DeliveryError(
                f"The disk is full: {size} do not fit; free space on it or give the worker a larger disk."
            ) from error
        raise DeliveryError(f"The result ({size}) could not be written: {error.strerror}; check the output folder.") from error


def resample(samples: Samples, from_rate: int, to_rate: int) -> Samples:
    """Resample [n] float32 samples with torchaudio's sinc filter, the one F5-TTS uses.

    The filter's size grows with the reduced ratio of the rates: 44,101 to 24,000 Hz would take 4 GB. Ratios without a common
    factor are replaced by the nearest with terms up to 1,000, which is less than 0.1 % off and exact for every usual rate.

    Raises:
        PackageMissingError: torch or torchaudio cannot be imported.
    """
    ratio = Fraction(from_rate, to_rate).limit_denominator(_LARGEST_RATIO_TERM)
    if ratio == 1:
        return samples
    with _packages():
        import torch
        import torchaudio.functional

        with torch.inference_mode():
            wave = torch.from_numpy(samples)
            resampled: Samples = torchaudio.functional.resample(wave, ratio.numerator, ratio.denominator).numpy()
    return resampled


def clip_error(what: str) -> ReferenceClipError:
    """The error for a clip that ``what`` ("is empty") makes unusable, with the list of what works."""
    return ReferenceClipError(f"The reference clip {what}; send {READABLE}.")


@contextmanager
def _packages() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise missing_package(error) from error


class _MonoMix:
    """Collects decoded blocks up to the limit; keeps the mean of the channels and the first channel."""

    def __init__(self, sample_rate: int, channels: int, max_seconds: float) -> None:
        if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
            raise clip_error(f"has a sample rate of {sample_rate:,} Hz, outside {MIN_SAMPLE_RATE:,} to {MAX_SAMPLE_RATE:,}")
        if not 1 <= channels <= MAX_CHANNELS:
            raise clip_error(f"has {channels} channels, outside 1 to {MAX_CHANNELS}")
        self.sample_rate = sample_rate
        self.frames = 0
        self._limit = int(max_seconds * sample_rate)
        self._mean: list[Samples] = []
        self._first: list[Samples] = []

    @property
    def full(self) -> bool:
        """Whether more than the limit was read, so that nothing further matters."""
        return self.frames > self._limit

    def add(self, block: Samples) -> None:
        """Take one block of shape [frames, channels]."""
        import numpy as np

        if not np.isfinite(block).all():
            raise clip_error("holds samples that are NaN or infinite")
        self.frames += len(block)
        self._mean.append(block.mean(axis=1, dtype=np.float64).astype(np.float32))
        self._first.append(block[:, 0].copy())

    def waveform(self) -> Waveform:
        import numpy as np

        if not self.frames:
            raise clip_error("holds no sound, only a header")
        mean, first = np.concatenate(self._mean)[: self._limit], np.concatenate(self._first)[: self._limit]
        cancelled = np.square(mean, dtype=np.float64).sum() < 0.01 * np.square(first, dtype=np.float64).sum()
        return Waveform(first if cancelled else mean, self.sample_rate, more=self.full)


def _decode_sound_file(data: bytes, max_seconds: float) -> Waveform:
    import soundfile

    class ForwardOnly(soundfile.SoundFile):  # type: ignore[misc]
        """soundfile seeks to where it is after every read of a seekable file: mp3 frames then lack what earlier ones hold of
        them, and a FLAC stream of unknown length cannot seek at all."""

        def seekable(self) -> bool:
            return False

    try:
        with ForwardOnly(io.BytesIO(data)) as file:
            mix = _MonoMix(file.samplerate, file.channels, max_seconds)
            frames = max(1, _BLOCK // file.channels)
            while not mix.full and len(block := file.read(frames, dtype="float32", always_2d=True)):
                mix.add(block)
            announced = file.frames if file.frames < _UNKNOWN_LENGTH else 0
    except soundfile.SoundFileError as error:
        raise clip_error(f"cannot be decoded; it is damaged, cut short or of an unknown format ({_reason(error)})") from error
    present = 1.0 if mix.full else min(fraction_present(data), mix.frames / announced if announced else 1.0)
    _refuse_if_cut(present)
    return mix.waveform()


def _decode_container(data: bytes, demuxer: str, max_seconds: float) -> Waveform:
    import av
    import numpy as np

    mix: _MonoMix | None = None
    announced = 0.0
    try:
        with av.open(io.BytesIO(data), mode="r", format=demuxer, metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise clip_error("has no sound track")
            stream = container.streams.audio[0]
            # the other demuxers guess a length from the file's size
            if demuxer in ("mov", "asf") and stream.duration is not None and stream.time_base is not None:
                announced = float(stream.duration * stream.time_base)
            to_float = av.AudioResampler(format="fltp")
            for decoded in container.decode(stream):
                for frame in to_float.resample(decoded):
                    block = frame.to_ndarray().T.astype(np.float32, copy=False)
                    mix = mix or _MonoMix(frame.sample_rate, block.shape[1], max_seconds)
                    mix.add(block)
                if mix is not None and mix.full:
                    break
    except (av.FFmpegError, ValueError) as error:
        raise clip_error(f"cannot be decoded; it is damaged, cut short or of an unknown codec ({_reason(error)})") from error
    if mix is None:
        raise clip_error("holds no sound, only a header")
    _refuse_if_cut(1.0 if mix.full or not announced else mix.frames / mix.sample_rate / announced)
    return mix.waveform()


def _refuse_if_cut(present: float) -> None:
    if present < 0.95:
        raise clip_error(
            f"is cut short: only {present:.0%} of the sound that its header announces is there; send the whole file"
        )


def _reason(error: Exception) -> str:
    # soundfile puts the reader's address before the reason, PyAV an error number
    text = str(getattr(error, "error_string", None) or getattr(error, "strerror", None) or error)
    return text.strip().rstrip(".").lower()[:100] or type(error).__name__


def encode(samples: Samples, sample_rate: int, form: AudioFormat) -> memoryview:
    """The bytes that ``encode_audio`` writes.

    Raises:
        SynthesisError, DeliveryError: as ``encode_audio``.
    """
    import numpy as np
    import soundfile

    peak = float(np.abs(samples).max()) if len(samples) else float("nan")
    if not np.isfinite(peak):
        raise SynthesisError(
            "The model made no usable sound (nothing, NaN or infinite samples); try another seed or reference."
        )
    gain = np.float32(1.0 / peak if peak > 1.0 else 1.0)
    target = io.BytesIO()
    try:
        with soundfile.SoundFile(
            target,
            "w",
            samplerate=sample_rate,
            channels=1,
            format=form.container,
            subtype=form.subtype,
            compression_level=form.compression_level,
        ) as file:
            for start in range(0, len(samples), _BLOCK):
                file.write(samples[start : start + _BLOCK] * gain)
    except soundfile.SoundFileError as error:
        raise DeliveryError(
            f"The result could not be encoded as {form.extension} ({_reason(error)}); choose another output_format.",
            field="output_format",
        ) from error
    return target.getbuffer()
