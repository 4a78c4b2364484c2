"""Bytes to samples and samples to files: every audio format the worker reads or writes.

numpy, soundfile and PyAV are imported by the functions that use them.
"""

import errno
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

from f5_worker.audio import rates
from f5_worker.audio.mix import MonoMix, Waveform, clip_error
from f5_worker.audio.samples import Samples
from f5_worker.audio.signatures import DEMUXERS, container_of, fraction_present, name_if_not_audio, with_known_length
from f5_worker.errors import DeliveryError, SynthesisError
from f5_worker.formats import FORMATS, AudioFormat
from f5_worker.runtime.packages import missing_package

_BLOCK = 65_536  # values (frames x channels) in one read
_UNKNOWN_LENGTH = 2**48  # libsndfile says the largest number it has where a stream does not tell
_LARGEST_RATIO_TERM = 1_000
_ONLY_A_HEADER = "holds no sound, only a header"
_NewMix: TypeAlias = Callable[[int, int], MonoMix]  # from sample rate and channels


def decode_audio(data: bytes, *, max_seconds: float, scan_seconds: float | None = None) -> Waveform:
    """Decode a file of any format in ``READABLE``, or a video's sound, and mix it down to mono (``MonoMix``).

    At most ``max_seconds`` are kept, and read in blocks, so a small file that unpacks to hours costs no more than that; with
    ``scan_seconds`` so much of a file is searched for speech, and what is no speech does not count. What libsndfile cannot
    read, FFmpeg is asked for, and the other way round. Of several sound tracks the default one is read.

    Raises:
        ReferenceClipError: the data is empty, is something else than audio (and says what), is damaged or cut short, has a
            sample rate or number of channels that no recording has, or holds NaN or infinity.
        PackageMissingError: numpy, soundfile or PyAV cannot be imported.
    """
    if not data:
        raise clip_error("is empty (0 bytes)")
    if (name := name_if_not_audio(data)) is not None:
        raise clip_error(f"is {name}, not audio")
    data, demuxer = with_known_length(data), container_of(data)
    reasons: list[str] = []
    with _packages():
        for read in (_read_container, _read_sound_file) if demuxer else (_read_sound_file, _read_container):
            try:
                mix, present = read(data, demuxer, lambda rate, channels: MonoMix(rate, channels, max_seconds, scan_seconds))
            except _UnreadableError as error:
                reasons.append(str(error))
            else:
                _refuse_if_cut(1.0 if mix.full else min(present, fraction_present(data)))
                return mix.waveform()
    if _ONLY_A_HEADER in reasons:
        raise clip_error(_ONLY_A_HEADER)
    raise clip_error(f"cannot be decoded; it is damaged, cut short or of an unknown format ({'; '.join(reasons)})")


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


@contextmanager
def _packages() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise missing_package(error) from error


class _UnreadableError(Exception):
    """One reader's reason not to read a file."""


def _read_sound_file(data: bytes, _demuxer: str | None, new_mix: _NewMix) -> tuple[MonoMix, float]:
    """libsndfile's reading, and how much of the announced sound it found (1.0 is all)."""
    import soundfile

    class ForwardOnly(soundfile.SoundFile):  # type: ignore[misc]
        """soundfile seeks to where it is after every read of a seekable file: mp3 frames then lack what earlier ones hold of
        them, and a FLAC stream of unknown length cannot seek at all."""

        def seekable(self) -> bool:
            return False

    try:
        with ForwardOnly(io.BytesIO(data)) as file:
            mix = new_mix(file.samplerate, file.channels)
            frames = max(1, _BLOCK // file.channels)
            while not mix.full and len(block := file.read(frames, dtype="float32", always_2d=True)):
                mix.add(block)
            announced = file.frames if file.frames < _UNKNOWN_LENGTH else 0
    except soundfile.SoundFileError as error:
        raise _UnreadableError(f"libsndfile: {_reason(error)}") from error
    if not mix.read:
        raise _UnreadableError(_ONLY_A_HEADER)
    return mix, mix.read / announced if announced else 1.0


def _read_container(data: bytes, demuxer: str | None, new_mix: _NewMix) -> tuple[MonoMix, float]:
    """FFmpeg's reading, through ``demuxer`` or whichever of ``DEMUXERS`` knows the data."""
    import av
    import numpy as np

    mix: MonoMix | None = None
    announced = 0.0
    try:
        options = {"format_whitelist": ",".join(DEMUXERS)}
        with av.open(io.BytesIO(data), mode="r", format=demuxer, options=options, metadata_errors="ignore") as container:
            tracks = container.streams.audio
            if not tracks:
                raise clip_error("has no sound track")
            stream = next((track for track in tracks if track.disposition & av.stream.Disposition.default), tracks[0])
            # the other demuxers guess a length from the file's size
            if demuxer in ("mov", "asf") and stream.duration is not None and stream.time_base is not None:
                announced = float(stream.duration * stream.time_base)
            to_float = av.AudioResampler(format="fltp")
            for decoded in container.decode(stream):
                for frame in to_float.resample(decoded):
                    block = frame.to_ndarray().T.astype(np.float32, copy=False)
                    mix = mix or new_mix(frame.sample_rate, block.shape[1])
                    mix.add(block)
                if mix is not None and mix.full:
                    break
    except (av.FFmpegError, ValueError) as error:
        raise _UnreadableError(f"FFmpeg: {_reason(error)}") from error
    if mix is None:
        raise _UnreadableError(_ONLY_A_HEADER)
    return mix, mix.read / mix.sample_rate / announced if announced else 1.0


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
                block = samples[start : start + _BLOCK] * gain
                if form.subtype == "PCM_16":  # as libsndfile does it for WAV; for FLAC it rounds otherwise
                    block = np.clip(np.floor(np.rint(block * 2**31) / 2**16), -(2**15), 2**15 - 1).astype(np.int16)
                file.write(block)
    except soundfile.SoundFileError as error:
        raise DeliveryError(
            f"The result could not be encoded as {form.extension} ({_reason(error)}); choose another output_format.",
            field="output_format",
        ) from error
    return target.getbuffer()
