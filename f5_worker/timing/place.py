"""From what was heard to the times of all words: in order, in whole milliseconds, inside their chunks; gaps are estimated."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from f5_worker.timing.pauses import Pause
from f5_worker.timing.words import Word

Span = tuple[float, float]
"""Start and end in seconds."""

_STOPS = tuple(".,;:!?…—。，、；：！？)")  # noqa: RUF001 - also those of other scripts


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word as it was sent, in whole milliseconds; ``confidence`` is 0 where it was not heard but placed by its neighbours."""

    word: str
    start: int
    end: int
    confidence: float
    chunk: int
    joined: bool = False
    sounds: bool = True

    @property
    def estimated(self) -> bool:
        """Whether it was not heard."""
        return self.confidence == 0

    def answer(self) -> dict[str, object]:
        """As a job's answer has it; times in seconds."""
        entry: dict[str, object] = {
            "word": self.word,
            "start": self.start / 1000,
            "end": self.end / 1000,
            "confidence": self.confidence,
            "chunk": self.chunk,
        }
        return {**entry, "estimated": True} if self.estimated else entry


def fill(words: Sequence[Word], heard: Sequence[Span | None], pauses: Sequence[Pause], seconds: float) -> list[Span]:
    """A span for each word of ``seconds`` of sound: as heard, or estimated by letters between its neighbours and pauses."""
    spans = list(heard)
    place = 0
    while place < len(spans):
        if spans[place] is not None:
            place += 1
            continue
        after = next((other for other in range(place, len(spans)) if spans[other] is not None), len(spans))
        before, behind = spans[place - 1] if place else None, spans[after] if after < len(spans) else None
        low, high = before[1] if before else 0.0, behind[0] if behind else seconds
        spans[place:after] = estimate(words[place:after], (low, max(low, high)), pauses)
        place = after
    return [span for span in spans if span is not None]


def estimate(words: Sequence[Word], within: Span, pauses: Sequence[Pause]) -> list[Span]:
    """Spans for ``words`` in a stretch of sound, shared out by letters over what is no pause.

    Each pause falls between two words: those whose edge would lie nearest to it, rather after punctuation.
    """
    high = within[1]
    sound = _without(within, pauses) or [within]
    total = sum(end - start for start, end in sound)
    shares = [word.letters + 1 for word in words]
    edges = [0.0]
    for share in shares:
        edges.append(edges[-1] + share / sum(shares) * total)
    heard = 0.0
    cuts = [0]  # the word that each stretch begins with
    for start, end in sound[:-1]:
        heard += end - start
        choices = range(cuts[-1] + 1, len(words))
        if not choices:
            break

        def distance(place: int, at: float = heard) -> float:
            return abs(edges[place] - at) * (0.4 if words[place - 1].text.endswith(_STOPS) else 1.0)

        cuts.append(min(choices, key=distance))
    spans: list[Span] = []
    cuts.append(len(words))
    for number, (first, after) in enumerate(pairwise(cuts)):
        start, end = sound[number] if number < len(sound) else (high, high)
        if number == len(cuts) - 2:
            end = sound[-1][1]
        spans += _by_letters(shares[first:after], start, end)
    return spans


def place(spans: Iterable[Span], offset: float, within: Span) -> list[tuple[int, int]]:
    """``spans``, ``offset`` seconds later, as whole milliseconds: in order, apart, of 1 ms or more, and within bounds.

    Only where there are more words than milliseconds, they reach over the end.
    """
    low, high = _up(within[0]), int(within[1] * 1000 + 1e-6)
    moved = [(round((start + offset) * 1000), round((end + offset) * 1000)) for start, end in spans]
    return settle(moved, low, high)


def settle(spans: Sequence[tuple[int, int]], low: int, high: int) -> list[tuple[int, int]]:
    """Moved as little as it takes to be in order, apart, each of 1 ms or more, and from ``low`` to ``high``."""
    settled: list[tuple[int, int]] = []
    at = low
    for place, (start, end) in enumerate(spans):
        latest = max(at, high - (len(spans) - place))  # room for the rest
        start = min(max(start, at), latest)
        end = max(start + 1, min(end, latest + 1))
        settled.append((start, end))
        at = end
    return settled


def _by_letters(shares: Sequence[int], start: float, end: float) -> list[Span]:
    spans, at = list[Span](), start
    for share in shares:
        after = at + share / sum(shares) * (end - start)
        spans.append((at, after))
        at = after
    return spans


def _without(within: Span, pauses: Sequence[Pause]) -> list[Span]:
    """What of a stretch is no pause."""
    low, high = within
    stretches = []
    for first, last in pauses:
        if low < first < high:
            stretches.append((low, first))
        low = min(max(low, last), high) if first < high else low
    if low < high:
        stretches.append((low, high))
    return [(start, end) for start, end in stretches if end > start]


def _up(seconds: float) -> int:
    return ceil(seconds * 1000 - 1e-6)
