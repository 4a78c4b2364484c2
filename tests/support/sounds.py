"""Sounds and files for tests: a voice-like signal, and files of it in every format that people send."""

import io
from collections.abc import Sequence
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SOUND_FILES = ("wav", "wav-int24", "wav-float", "wav-ulaw", "flac", "mp3", "ogg-opus", "ogg-vorbis", "aiff", "caf", "au", "w64")
_SUBTYPES = {
    "wav": ("WAV", "PCM_16"),
    "wav-int24": ("WAV", "PCM_24"),
    "wav-float": ("WAV", "FLOAT"),
    "wav-ulaw": ("WAV", "ULAW"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg-opus": ("OGG", "OPUS"),
    "ogg-vorbis": ("OGG", "VORBIS"),
    "aiff": ("AIFF", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "w64": ("W64", "PCM_16"),
}
CONTAINERS = {
    "m4a": ("ipod", "aac"),
    "mp4": ("mp4", "aac"),
    "3gp": ("3gp", "aac"),
    "aac": ("adts", "aac"),
    "webm": ("webm", "libopus"),
    "mka": ("matroska", "flac"),
    "wma": ("asf", "wmav2"),
    "amr": ("amr", "libopencore_amrnb"),
}


def read_raw(data: bytes, kind: str) -> Samples:
    """Bare samples, decoded by the letter of G.711 (ITU-T, tables 1a and 2a) or as 16-bit little endian."""
    if kind == "pcm":
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(2**15)
    code = np.frombuffer(data, np.uint8).astype(np.int32) ^ {"ulaw": 0xFF, "alaw": 0x55}[kind]
    segment, step, sign = code >> 4 & 7, code & 15, np.where(code & 128, 1, -1)
    if kind == "ulaw":
        size, sign = ((2 * step + 33) << segment) - 33, -sign  # of 8,159
        return np.asarray(sign * size / 8_192, np.float32)
    size = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0))  # of 4,096
    return np.asarray(sign * size / 4_096, np.float32)


def voice(seconds: float, rate: int = 24_000, level: float = 0.3) -> Samples:
    """Harmonics of 150 Hz that swell five times a second, as syllables do; it begins and ends loud."""
    time = np.arange(round(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * 150 * harmonic * time) / harmonic for harmonic in range(1, 8))
    swell = 0.55 + 0.45 * np.cos(2 * np.pi * 5 * time)
    return np.asarray(level * tone * swell / 2, dtype=np.float32)


def silence(seconds: float, rate: int = 24_000) -> Samples:
    return np.zeros(round(seconds * rate), dtype=np.float32)


NOISES = ("white", "pink", "hum", "fan")


def noise(kind: str, count: int, rate: int) -> NDArray[np.float64]:
    """One of ``NOISES``, [count], at a root mean square of 1."""
    rng = np.random.default_rng(1)
    time, white = np.arange(count) / rate, rng.normal(size=count)
    pink = np.fft.irfft(np.fft.rfft(white) / np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / rate), 20)), count)
    made = {
        "white": white,
        "pink": pink,
        "hum": sum(np.sin(2 * np.pi * 50 * h * time + h) / h for h in range(1, 12)) + 0.02 * white,
        "fan": pink / pink.std() * (1 + 0.1 * np.sin(9 * time)) + 0.4 * np.sin(2 * np.pi * 118 * time),
    }[kind]
    return np.asarray(made / np.sqrt(np.mean(np.square(made))))


def click(seconds: float, rate: int, level: float = 0.8) -> NDArray[np.float64]:
    """A burst that dies away within ``seconds``: a click, a pop, or with 0.3 s a knock in a room."""
    count = round(seconds * rate)
    return np.asarray(level * np.random.default_rng(2).uniform(-1, 1, count) * np.exp(-5 * np.arange(count) / count))


def sound_file(samples: NDArray[Any], rate: int = 24_000, kind: str = "wav") -> bytes:
    """A file of one of ``SOUND_FILES`` from samples [n] or [n, channels], written in blocks."""
    container, subtype = _SUBTYPES[kind]
    target = io.BytesIO()
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(target, "w", samplerate=rate, channels=channels, format=container, subtype=subtype) as file:
        for start in range(0, len(samples), rate):
            file.write(samples[start : start + rate])
    return target.getvalue()


class _Pipe:
    """What a writer sees that cannot go back to fill in a length."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def piped_file(
    tracks: Sequence[Samples], rate: int, form: str, codec: str, *, default: int = 0, video: str | None = None
) -> bytes:
    """A streamed file in FFmpeg's names: its lengths stay unknown. One of several mono tracks is the default one."""
    target = _Pipe()
    options = {"movflags": "frag_keyframe+empty_moov"} if form == "mp4" else {}
    with av.open(target, "w", format=form, options=options) as container:
        streams: list[Any] = [container.add_stream(codec, rate=rate) for _ in tracks]
        for number, stream in enumerate(streams):
            stream.layout = "mono"
            if len(tracks) > 1:
                stream.disposition = av.stream.Disposition.default if number == default else av.stream.Disposition(0)
        if video is not None:
            pictures: Any = container.add_stream(video, rate=25)
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
            for number in range(25):
                picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8)).reformat(format="yuv420p")
                picture.pts = number
                container.mux(pictures.encode(picture))
            container.mux(pictures.encode(None))
        for start in range(0, len(tracks[0]), 1024):
            for samples, stream in zip(tracks, streams, strict=True):
                block = np.ascontiguousarray(samples[None, start : start + 1024])
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = rate, start
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return bytes(target.data)


def container_file(samples: Samples, rate: int, kind: str, layout: str = "mono") -> bytes:
    """A file of one of ``CONTAINERS``."""
    form, codec = CONTAINERS[kind]
    target = io.BytesIO()
    channels = 2 if layout == "stereo" else 1
    with av.open(target, "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.layout = layout
        if codec == "wmav2":
            stream.bit_rate = 64_000
        for start in range(0, len(samples), 1024):
            block = np.ascontiguousarray(np.stack([samples[start : start + 1024]] * channels))
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()


def image_file() -> bytes:
    """A PNG image of one pixel."""
    return bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f64540"
        "0000000049454e44ae426082"
    )


HTML_PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>" + b"<p>Welcome</p>" * 200 + b"</body></html>"
