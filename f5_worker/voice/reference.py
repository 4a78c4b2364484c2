"""A reference voice at both ends of its way: the file that comes in, and what the model is given."""

import hashlib
from dataclasses import dataclass

from f5_worker.audio.samples import Samples
from f5_worker.mel import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class VoiceFile:
    """A voice as a file, from wherever.

    ``label`` is what the answer calls it, ``field`` what an error calls it: the part of the job that named it. ``ref_text`` is
    the transcript as it was given, or ``None``.
    """

    label: str
    data: bytes
    ref_text: str | None
    field: str = "local_voice"

    @property
    def content_id(self) -> str:
        """SHA-256 of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What the model hears: mono float32 [n] at 24 kHz (shared by jobs: not to be changed), and its transcript.

    ``ref_text`` is the exact string for the model, ``None`` until the clip is transcribed. ``voice`` is the file's label,
    ``content_id`` the SHA-256 of its bytes. ``clipped`` says that speech was cut off the end.
    """

    samples: Samples
    ref_text: str | None
    voice: str
    clipped: bool
    content_id: str
    warnings: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds, the silence at the end included."""
        return len(self.samples) / SAMPLE_RATE
