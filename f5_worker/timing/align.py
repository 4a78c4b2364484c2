"""The words of a text found in its speech.

    for word in align("Hello, world.", samples, 24_000):
        print(word.word, word.start, word.end)  # milliseconds

English by pocketsphinx, in a child process; other languages by a Whisper that the caller has; and what neither finds by letters
and pauses. Nothing here fails for what is in the sound or in the text: the worst is an estimate, which says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from f5_worker import log
from f5_worker.audio.codec import resample
from f5_worker.audio.samples import Samples
from f5_worker.errors import JobStopped, WorkerError, brief
from f5_worker.text.language import language_of
from f5_worker.text.reading import Reading
from f5_worker.timing.pauses import Pause, find_pauses, snap
from f5_worker.timing.place import Span, TimedWord, fill, place
from f5_worker.timing.pocket import SAMPLE_RATE, Pocket, PocketError
from f5_worker.timing.words import Word, words_of

_HEARD_LEAST = 0.5  # of a chunk's words: with fewer, what was heard is not trusted either
_UNHEARD_SOUND = 0.4  # seconds of sound that belong to no word
_MOST_SILENT = 0.8  # of a word: what lies in a pause was not said
_LOST_WORDS = 3  # missed together
# Of speech, a second. The aligner's phones last 30 ms and more, so that what is faster cannot be found; and it searches the
# longer, the more words are not there: widely, where so many are, for minutes.
_FASTEST_WORDS = 8.0
_FASTEST_LETTERS = 40.0
_FASTEST_WIDE_WORDS = 4.0

OtherAligner = Callable[[Sequence[Word], Samples, Sequence[Pause], str], "list[tuple[Span, float] | None]"]
"""Finds words ([n] samples at 16 kHz, their pauses, the language or ``""``): span and probability, or ``None``, of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """The words of one chunk, and where they lie in its own samples, in seconds; ``confidences`` are 0 for estimates.

    ``failure`` says why there are none but estimates.
    """

    words: Sequence[Word]
    spans: Sequence[Span]
    confidences: Sequence[float]
    failure: str | None = None

    @property
    def dropped(self) -> list[Word]:
        """Words that should be heard and are not; none where nothing could be told."""
        if self.failure is not None:
            return []
        return [word for word, sure in zip(self.words, self.confidences, strict=True) if word.sounds and sure == 0]

    def placed(self, chunk: int, offset: float, within: Span) -> list[TimedWord]:
        """In the whole: ``offset`` is where the chunk begins, ``within`` what its words keep to."""
        times = place(self.spans, offset, within)
        return [
            TimedWord(word.text, start, end, sure, chunk, word.joined, word.sounds)
            for word, sure, (start, end) in zip(self.words, self.confidences, times, strict=True)
        ]


class ChunkAligner:
    """Aligns one job's chunks, one after the other; for one thread at a time."""

    def __init__(self, pocket: Pocket, other: OtherAligner | None = None) -> None:
        self._pocket = pocket
        self._other = other

    def hear(self, reading: Reading, samples: Samples, sample_rate: int) -> Heard:
        """The words of ``reading`` in its own [n] ``samples``."""
        words = words_of(reading)
        seconds = len(samples) / sample_rate
        if not len(samples):
            return estimated(words, [], 0.0, "there is no sound")
        sound = resample(samples, sample_rate, SAMPLE_RATE)
        pauses = find_pauses(sound, SAMPLE_RATE)
        found: Sequence[tuple[Span, float] | None] = []
        failure: str | None = None
        try:
            found = self._found(words, sound, pauses, language_of(reading.text))
        except PocketError as error:
            failure = str(error)
        except WorkerError as error:
            failure = brief(error)
        except JobStopped:
            raise
        except Exception as error:  # noqa: BLE001 - times are extra, and the speech is paid for
            log.warn(f"Word times failed: {type(error).__name__}")
            failure = f"an unexpected {type(error).__name__}"
        found = [None if item and _silent_share(item[0], pauses) > _MOST_SILENT else item for item in found]
        sounding = sum(word.sounds for word in words)
        if failure is None and sum(item is not None for item in found) < _HEARD_LEAST * sounding:
            failure = "most words could not be found in the sound"
        if failure is not None:
            return estimated(words, pauses, seconds, failure)
        spans = fill(words, snap([item and item[0] for item in found], pauses), pauses, seconds)
        return Heard(words, spans, [item[1] if item else 0.0 for item in found])

    def _found(
        self, words: Sequence[Word], sound: Samples, pauses: Sequence[Pause], language: str
    ) -> "Sequence[tuple[Span, float] | None]":
        if not any(word.sounds for word in words):
            return [None] * len(words)
        if language != "en":
            if self._other is None:
                raise PocketError("the text is not English, and there is no Whisper to find its words")
            return self._other(words, sound, pauses, language)
        spoken = [word.spoken for word in words]
        seconds = len(sound) / SAMPLE_RATE
        count, letters = sum(word.sounds for word in words), sum(map(_letters, spoken))
        if count > _FASTEST_WORDS * (1 + seconds) or letters > _FASTEST_LETTERS * (1 + seconds):
            raise PocketError("the text is too long for its sound")
        best = self._pocket.align(spoken, sound)
        if count <= _FASTEST_WIDE_WORDS * (1 + seconds) and _is_doubtful(words, best, pauses, seconds):
            wide = self._pocket.align(spoken, sound, wide=True)
            best = min(best, wide, key=lambda spans: _lost(words, spans, pauses, seconds))
        return [None if span is None else (span, 1.0) for span in best]


def estimated(words: Sequence[Word], pauses: Sequence[Pause], seconds: float, failure: str) -> Heard:
    """Estimates for all words, for what ``failure`` says."""
    return Heard(words, fill(words, [None] * len(words), pauses, seconds), [0.0] * len(words), failure)


def align(
    text: str,
    samples: Samples,
    sample_rate: int,
    *,
    reading: Reading | None = None,
    other: OtherAligner | None = None,
) -> list[TimedWord]:
    """Each word of ``text`` with its time in its speech: mono float32 [n] samples at ``sample_rate`` Hz, up to about 30 s.

    Args:
        text: what was to be said, as it was written.
        reading: ``text`` with what was spoken in place of numbers and abbreviations; without it every usual way is tried.
        other: for texts that are not English; without it their times are estimates.
    """
    with Pocket() as pocket:
        heard = ChunkAligner(pocket, other).hear(reading or Reading(text), samples, sample_rate)
    return heard.placed(0, 0.0, (0.0, len(samples) / sample_rate))


def _letters(spoken: str) -> int:
    """About how many letters are heard; figures stand for words."""
    return sum(character.isalpha() + 4 * character.isdigit() for character in spoken)


def _silent_share(span: Span, pauses: Sequence[Pause]) -> float:
    start, end = span
    return sum(max(0.0, min(last, end) - max(first, start)) for first, last in pauses) / (end - start)


def _is_doubtful(words: Sequence[Word], spans: Sequence[Span | None], pauses: Sequence[Pause], seconds: float) -> bool:
    lost = sum(word.sounds and span is None for word, span in zip(words, spans, strict=True))
    return lost >= _LOST_WORDS or bool(lost and 3 * lost > len(words)) or _unheard(spans, pauses, seconds) > _UNHEARD_SOUND


def _lost(words: Sequence[Word], spans: Sequence[Span | None], pauses: Sequence[Pause], seconds: float) -> float:
    """What an alignment leaves out, in about seconds."""
    lost = sum(word.sounds and span is None for word, span in zip(words, spans, strict=True))
    return 0.3 * lost + _unheard(spans, pauses, seconds)


def _unheard(spans: Sequence[Span | None], pauses: Sequence[Pause], seconds: float) -> float:
    """The longest sound that belongs to no word, in seconds."""
    longest = at = 0.0
    for start, end in [*filter(None, spans), (seconds, seconds)]:
        silent = sum(max(0.0, min(last, start) - max(first, at)) for first, last in pauses)
        longest = max(longest, start - at - silent)
        at = max(at, end)
    return longest
