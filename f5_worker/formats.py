"""Every file format by name: of results, of stored voices, and of the clips that can be read.

Ground: needs nothing but the standard library, so that a request is checked without numpy or a decoder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from f5_worker.mel import SAMPLE_RATE

ResultKind: TypeAlias = Literal["audio", "timing"]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One output format: file extension (no dot), MIME type, libsndfile's names for it, the most bytes that a sample takes, and
    the sample rate that it has unless ``any_rate`` lets a job choose. One in the container ``RAW`` is samples only, and cannot
    be read without knowing what it is.
    """

    extension: str
    content_type: str
    container: str
    subtype: str
    bytes_per_sample: float
    compression_level: float | None = None
    sample_rate: int = SAMPLE_RATE
    any_rate: bool = False

    @property
    def has_header(self) -> bool:
        """Whether the file says by itself what it is."""
        return self.container != "RAW"


# Opus: libsndfile's default makes 37 kbit/s of the built-in voice, with a noise 13 dB under it; level 0.8 makes 58, and 21 dB.
# Not Vorbis: libsndfile's encoder crashes the process on long writes.
# pcm, ulaw and alaw are bare samples, as OpenAI's pcm and g711_ulaw, ElevenLabs' ulaw_8000, Twilio's streams and Asterisk's
# files are. audio/basic is mu-law at 8 kHz by its definition (RFC 2046); audio/L16 would be big-endian (RFC 3551).
FORMATS: Mapping[str, AudioFormat] = MappingProxyType(
    {
        "wav": AudioFormat("wav", "audio/wav", "WAV", "PCM_16", 2.0, any_rate=True),
        "flac": AudioFormat("flac", "audio/flac", "FLAC", "PCM_16", 2.0, any_rate=True),
        "mp3": AudioFormat("mp3", "audio/mpeg", "MP3", "MPEG_LAYER_III", 0.85),
        "ogg": AudioFormat("ogg", "audio/ogg", "OGG", "OPUS", 0.42, compression_level=0.8),
        "pcm": AudioFormat("pcm", "audio/pcm", "RAW", "PCM_16", 2.0, any_rate=True),
        "ulaw": AudioFormat("ulaw", "audio/basic", "RAW", "ULAW", 1.0, sample_rate=8_000),
        "alaw": AudioFormat("alaw", "audio/PCMA", "RAW", "ALAW", 1.0, sample_rate=8_000),
    }
)

FORMAT_ALIASES: Mapping[str, str] = MappingProxyType({"opus": "ogg"})
"""Other names of the very same formats."""

ANY_RATE = tuple(name for name, form in FORMATS.items() if form.any_rate)
"""The formats whose sample rate a job may choose: those that keep every sample."""

TIMING_CONTENT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "srt": "application/x-subrip",
        "vtt": "text/vtt",
        "csv": "text/csv",
        "json": "application/json",
        "ass": "text/x-ssa",
    }
)

CONTENT_TYPES: Mapping[ResultKind, Mapping[str, str]] = MappingProxyType(
    {
        "audio": MappingProxyType({name: audio.content_type for name, audio in FORMATS.items()}),
        "timing": TIMING_CONTENT_TYPES,
    }
)
"""What each format of each kind of result is served as."""

VOICE_CONTENT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "wav": "audio/wav",
        "flac": "audio/flac",
        "mp3": "audio/mpeg",
        "ogg": "audio/ogg",
        "oga": "audio/ogg",
        "opus": "audio/ogg",
        "m4a": "audio/mp4",
        "mp4": "audio/mp4",
        "aac": "audio/aac",
        "webm": "audio/webm",
        "aiff": "audio/aiff",
        "aif": "audio/aiff",
        "caf": "audio/x-caf",
        "au": "audio/basic",
        "mka": "audio/x-matroska",
        "wma": "audio/x-ms-wma",
        "amr": "audio/amr",
    }
)
"""The extensions that make an object a voice, and what it is served as."""

READABLE = "wav, flac, mp3, ogg (Vorbis or Opus), aiff, caf, au, m4a, aac, mp4, webm, mka, wma or amr"
"""What a reference clip may be, for a message."""

# The types of the request's fields. mypy takes no computed Literal; a second list of names could drift from the tables.
if TYPE_CHECKING:
    OutputFormat: TypeAlias = str
    ResultFormat: TypeAlias = str
else:
    OutputFormat = Literal[tuple(FORMATS)]
    ResultFormat = Literal[(*FORMATS, *TIMING_CONTENT_TYPES)]
