"""The reference voice: from a file's bytes to the samples and the transcript that the model is given.

The steps are those of F5-TTS's ``preprocess_ref_audio_text``: mix to mono, cut silence off both ends, shorten long pauses, cut
a long clip at a pause, add 50 ms of silence, resample to 24 kHz. All that can be refused is refused before the resampling, on
numpy and soundfile alone.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from f5_worker.audio.codec import decode_audio, resample
from f5_worker.errors import PackageMissingError, ReferenceClipError
from f5_worker.mel import SAMPLE_RATE
from f5_worker.runtime.packages import package_folder
from f5_worker.settings import Settings
from f5_worker.voice.transcript import check_ref_text, finish_ref_text

if TYPE_CHECKING:
    from f5_worker.audio.codec import Samples

MIN_SECONDS = 1.0
MAX_SECONDS = 12.0  # what F5-TTS clips a reference to
MAX_SECONDS_WITH_TEXT = 15.0  # a clip is not cut under its transcript
MAX_UPLOAD_SECONDS = 30.0
DECODED_SECONDS = 60.0  # of a longer file only the start is read
BUILTIN_VOICE = "built-in"
_EARLIEST_CUT = 6.0
_TAIL_SECONDS = 0.05

K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class CheckedReference:
    """A reference that the model can use, still at the file's own rate: mono float32 [n] within -1 to 1."""

    samples: "Samples"
    sample_rate: int
    ref_text: str | None
    clipped: bool
    content_id: str
    warnings: tuple[str, ...]

    @property
    def duration(self) -> float:
        """Length in seconds, the silence at the end included."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceClip:
    """What the model hears: mono float32 [n] at 24 kHz (shared by jobs: not to be changed), and its transcript or ``None``.

    ``ref_text`` is the exact string for the model. ``clipped`` says that speech was cut off the end.
    """

    samples: "Samples"
    ref_text: str | None
    voice: str
    clipped: bool
    content_id: str
    warnings: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Length in seconds, the silence at the end included."""
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class BuiltinVoice:
    """The reference clip that the f5-tts package ships: a file's bytes and its transcript."""

    data: bytes
    ref_text: str


def builtin_voice() -> BuiltinVoice:
    """F5-TTS's English example, read from the installed package without importing it.

    Raises:
        PackageMissingError: f5-tts is not installed, or was installed without its examples.
    """
    clip = package_folder("f5_tts") / "infer" / "examples" / "basic" / "basic_ref_en.wav"
    try:
        data = clip.read_bytes()
    except OSError as error:
        raise PackageMissingError(
            "The built-in voice is missing from the installed f5-tts package; install it again, or send a voice of your own.",
            package="f5_tts",
        ) from error
    return BuiltinVoice(data, "Some call me nature, others call me mother nature.")


def check_reference(
    data: bytes,
    *,
    ref_text: str | None,
    settings: Settings,
    field: str = "local_voice",
    max_seconds: float | None = None,
) -> CheckedReference:
    """Decode a reference and bring it into the shape that the model needs, all but the sample rate.

    Without ``ref_text``, more than 12 s are cut at the quietest moment between 6 and 12 s. With it, up to 15 s are kept whole.
    ``max_seconds`` refuses clips with more sound than that, as uploads do (``MAX_UPLOAD_SECONDS``).

    Raises:
        ReferenceClipError: the file or the transcript cannot be used; ``details["field"]`` is ``field`` or ``ref_text``.
        PackageMissingError: numpy, soundfile or PyAV cannot be imported.
    """
    try:
        if len(data) > settings.max_reference_bytes:
            raise ReferenceClipError(
                f"The reference clip has {len(data) / 2**20:.3g} MB, more than the allowed "
                f"{settings.max_reference_bytes / 2**20:.3g} MB; send a shorter clip or a compressed format (mp3, flac)."
            )
        return _check(data, ref_text, max_seconds)
    except ReferenceClipError as error:
        raise ReferenceClipError(error.message, **{"field": field, **error.details}) from error


def read_reference(
    data: bytes, *, voice: str, ref_text: str | None, settings: Settings, field: str = "local_voice"
) -> ReferenceClip:
    """``check_reference``, then 24 kHz.

    Raises:
        ReferenceClipError: as ``check_reference``.
        PackageMissingError: as ``check_reference``, or torch is missing and the clip is not at 24 kHz already.
    """
    checked = check_reference(data, ref_text=ref_text, settings=settings, field=field)
    samples = resample(checked.samples, checked.sample_rate, SAMPLE_RATE)
    return ReferenceClip(samples, checked.ref_text, voice, checked.clipped, checked.content_id, checked.warnings)


class ReferenceCache:
    """Processed references and automatic transcripts of the last ``max_items`` clips, by content. Thread-safe."""

    def __init__(self, max_items: int) -> None:
        self._clips: _Lru[tuple[str, str | None], ReferenceClip] = _Lru(max_items)
        self._transcripts: _Lru[str, str] = _Lru(max_items)

    def __len__(self) -> int:
        """How many clips and transcripts are kept; at most twice ``max_items``."""
        return len(self._clips) + len(self._transcripts)

    def read(
        self, data: bytes, *, voice: str, ref_text: str | None, settings: Settings, field: str = "local_voice"
    ) -> ReferenceClip:
        """``read_reference``, or its earlier result for the same bytes and transcript under whatever name."""
        key = (_content_id(data), ref_text)
        clip = self._clips.get(key)
        if clip is None:
            clip = read_reference(data, voice=voice, ref_text=ref_text, settings=settings, field=field)
            self._clips.put(key, clip)
        return replace(clip, voice=voice)

    def with_transcript(self, clip: ReferenceClip, transcribe: "Callable[[Samples], str]") -> ReferenceClip:
        """``clip`` with its transcript, else the one cached for the same file, else what ``transcribe(clip.samples)`` hears."""
        if clip.ref_text is not None:
            return clip
        text = self._transcripts.get(clip.content_id)
        if text is None:
            text = finish_ref_text(transcribe(clip.samples))
            self._transcripts.put(clip.content_id, text)
        return replace(clip, ref_text=text)


class _Lru(Generic[K, T]):
    """A bounded map that forgets what was used longest ago. Two threads that miss at once both do the work."""

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        self._items: OrderedDict[K, T] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: K) -> T | None:
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
            return self._items.get(key)

    def put(self, key: K, value: T) -> None:
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            while len(self._items) > self._max_items:
                self._items.popitem(last=False)


def _content_id(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _check(data: bytes, ref_text: str | None, max_seconds: float | None) -> CheckedReference:
    import numpy as np

    from f5_worker.audio.silence import cut_at_pause, shorten_pauses, trim_edges

    decoded = decode_audio(data, max_seconds=DECODED_SECONDS)
    rate = decoded.sample_rate
    peak = float(np.abs(decoded.samples).max())
    samples = decoded.samples / np.float32(peak) if peak > 1.0 else decoded.samples
    trimmed = trim_edges(samples, rate)
    if trimmed is None:
        raise ReferenceClipError("The reference clip is silent; send a recording of one clear voice.")
    samples = shorten_pauses(trimmed, rate)
    seconds = len(samples) / rate
    if seconds < MIN_SECONDS:
        raise ReferenceClipError(
            f"The reference clip holds only {seconds:.2f} s of sound; send {MIN_SECONDS:g} s of speech or more, best 5 to 12 s."
        )
    length = f"more than {DECODED_SECONDS:g} s" if decoded.more else f"{seconds:.1f} s of sound"
    if max_seconds is not None and (decoded.more or seconds > max_seconds):
        raise ReferenceClipError(f"The voice holds {length}; a stored voice may hold {MIN_SECONDS:g} to {max_seconds:g} s.")
    warnings: tuple[str, ...] = ()
    clipped = False
    if ref_text is not None:
        if decoded.more or seconds > MAX_SECONDS_WITH_TEXT:
            raise ReferenceClipError(
                f"The reference clip holds {length}; with ref_text it may hold at most {MAX_SECONDS_WITH_TEXT:g} s: the model "
                "uses no more, and speech turns fast or repeats itself when the transcript says more than the used part. Send "
                "a shorter clip with its own transcript, or leave ref_text out: then the clip is cut and transcribed."
            )
        ref_text, warnings = check_ref_text(ref_text, seconds)
    elif clipped := decoded.more or seconds > MAX_SECONDS:
        if seconds > MAX_SECONDS:
            samples = cut_at_pause(samples, rate, _EARLIEST_CUT, MAX_SECONDS - _TAIL_SECONDS)
        used = len(samples) / rate
        warnings = (f"The reference clip holds {length}; only the first {used:.1f} s of it are used.",)
    samples = np.concatenate([samples, np.zeros(round(_TAIL_SECONDS * rate), np.float32)])
    return CheckedReference(samples, rate, ref_text, clipped, _content_id(data), warnings)
