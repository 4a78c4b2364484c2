"""The judge: it writes down what it hears in speech, compares that with what was to be said, and names all that differs.

    heard = Judge(whisper).hear(samples, 24_000)
    assert compare("The clock says noon.", heard).rate == 0
    assert chunk_faults(["The first chunk.", "The second one."], heard) == []

Both sides are brought to one form first: lower case, no punctuation, small numbers as words.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from f5_worker.audio.codec import resample
from f5_worker.mel import SAMPLE_RATE
from f5_worker.voice.transcriber import Transcriber

_WINDOW = 28.0  # seconds that Whisper is given at once; it hears 30
_SEARCH = 8.0  # seconds before a window's end in which it may be cut, at the quietest place
_TOKENS = 12  # a second: twice as many as quick speech takes
_QUIET = 0.1  # seconds over which loudness is taken there

_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ONES = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_ORDINALS = {"1st": "first", "2nd": "second", "3rd": "third", "4th": "fourth", "10th": "tenth", "20th": "twentieth"}


class Judge:
    """A Whisper that listens, through the worker's own transcription."""

    def __init__(self, whisper: Path) -> None:
        self._transcriber = Transcriber(str(whisper), "cpu")

    def hear(self, samples: NDArray[np.float32], rate: int) -> str:
        """What is said in ``samples``: mono [n] at ``rate`` Hz, of any length."""
        audio = np.asarray(resample(samples, rate, SAMPLE_RATE), dtype=np.float32)
        return " ".join(map(self._hear, _windows(audio)))

    def _hear(self, window: NDArray[np.float32]) -> str:
        # Of babble Whisper writes the same again and again, until it may not any more.
        self._transcriber.pipeline().model.generation_config.max_length = 24 + int(_TOKENS * len(window) / SAMPLE_RATE)
        return self._transcriber.transcribe(window)


def _windows(samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Parts that Whisper can take, cut where it is quietest."""
    window, search, quiet = (round(seconds * SAMPLE_RATE) for seconds in (_WINDOW, _SEARCH, _QUIET))
    while len(samples) > window:
        sums = np.cumsum(np.square(samples[window - search : window], dtype=np.float64))
        cut = window - search + int((sums[quiet:] - sums[:-quiet]).argmin()) + quiet // 2
        yield samples[:cut]
        samples = samples[cut:]
    yield samples


def words(text: str) -> list[str]:
    """The words of ``text`` in the form that is compared."""
    text = re.sub(r"\bf\s*-?\s*(?:5|five)\s*,?-?\s*t\.?\s?t\.?\s?s\b\.?", "f five tts", text.lower())
    bare = (word.strip("'") for word in re.sub(r"[^a-z0-9' ]", " ", text).split())
    return [said for word in bare if word for said in _spoken(word)]


def _spoken(word: str) -> list[str]:
    """A number below 1,000 as its words, any other word as it is."""
    if not re.fullmatch(r"\d{1,3}", word):
        return [_ORDINALS.get(word, word)]
    number = int(word)
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        return [_TENS[number // 10], *([_ONES[number % 10]] if number % 10 else [])]
    return [_ONES[number // 100], "hundred", *(["and", *_spoken(str(number % 100))] if number % 100 else [])]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an alignment: what was to be said, what was heard; ``None`` where one side has nothing."""

    said: str | None
    heard: str | None

    def __str__(self) -> str:
        if self.right:
            return str(self.said)
        if self.heard is None:
            return f"[{self.said} is lost]"
        return f"[{self.heard} is added]" if self.said is None else f"[{self.said} is heard as {self.heard}]"

    @property
    def right(self) -> bool:
        """Whether a word was heard as it was to be said."""
        return self.said == self.heard


@dataclass(frozen=True, slots=True)
class Verdict:
    """An alignment of what was to be said with what was heard, with the fewest errors."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return " ".join(map(str, self.steps))

    @property
    def errors(self) -> int:
        """Words lost, added or wrong."""
        return sum(not step.right for step in self.steps)

    @property
    def count(self) -> int:
        """Words that were to be said."""
        return sum(step.said is not None for step in self.steps)

    @property
    def rate(self) -> float:
        """The word error rate."""
        return self.errors / self.count


def compare(said: str, heard: str) -> Verdict:
    """Levenshtein's alignment of two texts' words."""
    a, b = words(said), words(heard)
    costs = _costs(a, b, anywhere=False)
    i, j, steps = len(a), len(b), list[Step]()
    while i or j:
        if i and j and costs[i, j] == costs[i - 1, j - 1] + (a[i - 1] != b[j - 1]):
            i, j = i - 1, j - 1
            steps.append(Step(a[i], b[j]))
        elif i and costs[i, j] == costs[i - 1, j] + 1:
            i -= 1
            steps.append(Step(a[i], None))
        else:
            j -= 1
            steps.append(Step(None, b[j]))
    return Verdict(tuple(reversed(steps)))


def total(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on many texts as one."""
    return Verdict(tuple(step for verdict in verdicts for step in verdict.steps))


def chunk_faults(chunks: Sequence[str], heard: str) -> list[str]:
    """What is wrong with a text's chunks: those lost, doubled or out of order, and each word beside a seam that is not heard.

    A chunk is heard where more than half of its words are, in their order.
    """
    found = [_places(words(chunk), words(heard)) for chunk in chunks]
    faults = [f"chunk {n} is lost" for n, places in enumerate(found) if not places]
    faults += [f"chunk {n} is heard {len(places)} times" for n, places in enumerate(found) if len(places) > 1]
    first = [(n, places[0]) for n, places in enumerate(found) if places]
    faults += [f"chunk {b} is heard before chunk {a}" for (a, place), (b, other) in pairwise(first) if other < place]
    said = [step for step in compare(" ".join(chunks), heard).steps if step.said is not None]
    seam = 0
    for n, chunk in enumerate(chunks[:-1]):
        seam += len(words(chunk))
        faults += [f"at the seam after chunk {n}: {step}" for step in said[seam - 1 : seam + 1] if not step.right]
    return faults


def _places(chunk: Sequence[str], heard: Sequence[str]) -> list[int]:
    """The words of ``heard`` at which ``chunk`` ends, in order; of places closer than half its length, the best."""
    errors = _costs(chunk, heard, anywhere=True)[-1]
    places = list[int]()
    for end in map(int, np.argsort(errors, kind="stable")):
        if errors[end] < len(chunk) / 2 and all(abs(end - other) > len(chunk) / 2 for other in places):
            places.append(end)
    return sorted(places)


def _costs(a: Sequence[str], b: Sequence[str], *, anywhere: bool) -> NDArray[np.int64]:
    """[i, j]: the fewest errors between a[:i] and b[:j]; with ``anywhere``, between a[:i] and any run of b that ends at j."""
    costs = np.zeros((len(a) + 1, len(b) + 1), dtype=np.int64)
    costs[:, 0] = range(len(a) + 1)
    if not anywhere:
        costs[0] = range(len(b) + 1)
    for i, word in enumerate(a, 1):
        for j, other in enumerate(b, 1):
            costs[i, j] = min(costs[i - 1, j] + 1, costs[i, j - 1] + 1, costs[i - 1, j - 1] + (word != other))
    return costs
