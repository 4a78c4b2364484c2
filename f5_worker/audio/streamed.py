"""A file that is sent while it is made: each piece of samples becomes those bytes of the file that are final."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from f5_worker.errors import DeliveryError
from f5_worker.formats import FORMATS, VOICE_CONTENT_TYPES

_UNKNOWN = 0xFFFFFFFF  # a WAV whose length nobody knows yet: players read on to the end
_FRAME = 4_800  # samples handed to the encoder at once


@dataclass(frozen=True, slots=True)
class StreamedFormat:
    """What a file is served as, and how FFmpeg makes it. Without a codec, the samples go out as they are."""

    content_type: str
    codec: str | None = None
    muxer: str = ""
    bit_rate: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)


def _as_result(name: str, *encoding: Any) -> StreamedFormat:
    return StreamedFormat(FORMATS[name].content_type, *encoding)


STREAMED: Mapping[str, StreamedFormat] = MappingProxyType(
    {
        "mp3": _as_result("mp3", "libmp3lame", "mp3", 96_000, {"write_xing": "0", "id3v2_version": "0"}),
        "ogg": _as_result("ogg", "libopus", "ogg", 64_000, {"page_duration": "200000"}),  # microseconds
        "aac": StreamedFormat(VOICE_CONTENT_TYPES["aac"], "aac", "adts", 96_000),
        "flac": _as_result("flac", "flac", "flac"),
        "wav": _as_result("wav"),
        "pcm": _as_result("pcm"),
        "ulaw": _as_result("ulaw"),
        "alaw": _as_result("alaw"),
    }
)


class StreamEncoder:
    """One mono file, at ``rate`` Hz. Not thread-safe, but any thread may go on with it.

    What is made of a speech in pieces is, byte for byte, what is made of it at once.
    """

    def __init__(self, name: str, rate: int) -> None:
        self._form, self._rate = STREAMED[name], rate
        self._sink = _Sink()
        self._pending = b""
        self._at = 0
        self._container: Any = None
        if name == "wav":
            self._sink.write(_wav_header(rate))
        elif self._form.codec is not None:
            self._open(self._form.codec)

    def add(self, data: bytes) -> bytes:
        """The file's next bytes. ``data`` is 16-bit little-endian samples, or whatever a format without a codec is made of.

        Raises:
            DeliveryError: the encoder failed.
        """
        if self._container is None:
            return self._sink.take() + data
        self._pending += data
        whole = len(self._pending) // (2 * _FRAME) * 2 * _FRAME
        frames, self._pending = self._pending[:whole], self._pending[whole:]
        self._encode(frames)
        return self._sink.take()

    def end(self) -> bytes:
        """The file's last bytes.

        Raises:
            DeliveryError: the encoder failed.
        """
        if self._container is not None:
            self._encode(self._pending, last=True)
        return self._sink.take()

    def _open(self, codec: str) -> None:
        import av

        options = {"flush_packets": "1", "fflags": "+bitexact", **self._form.options}  # no number by chance in an Ogg page
        try:
            self._container = av.open(self._sink, "w", format=self._form.muxer, options=options)
            self._track = self._container.add_stream(codec, rate=self._rate)
            self._track.layout = "mono"
            if self._form.bit_rate is not None:
                self._track.bit_rate = self._form.bit_rate
        except (av.FFmpegError, ValueError) as error:
            raise self._failed(error) from error

    def _encode(self, data: bytes, last: bool = False) -> None:
        import av
        import numpy as np

        samples = np.frombuffer(data, "<i2").astype(np.int16, copy=False)
        try:
            for start in range(0, len(samples), _FRAME):
                piece = samples[start : start + _FRAME]
                frame = av.AudioFrame.from_ndarray(piece[None], format="s16", layout="mono")
                frame.sample_rate, frame.pts = self._rate, self._at
                self._at += len(piece)
                self._container.mux(self._track.encode(frame))
            if last:
                self._container.mux(self._track.encode(None))
                self._container.close()
        except (av.FFmpegError, ValueError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> DeliveryError:
        return DeliveryError(
            f"The speech could not be encoded as {self._form.muxer} at {self._rate:,} Hz ({type(error).__name__}); choose "
            "another format.",
            field="output_format",
        )


class _Sink:
    """A file that can only be written, so that no muxer goes back to what has been sent."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: Any) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        """What was written since the last time."""
        data, self._data = bytes(self._data), bytearray()
        return data


def _wav_header(rate: int) -> bytes:
    """Of 16-bit mono, with the length open (RIFF, WAVEFORMATEX)."""
    riff = struct.pack("<4sI4s", b"RIFF", _UNKNOWN, b"WAVE")
    return riff + struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", _UNKNOWN)
