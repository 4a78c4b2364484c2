"""From the words of chunks, as they come, to those of the whole text: each once, as it was sent, in order and apart."""

from collections.abc import Sequence
from dataclasses import replace

from f5_worker.text.reading import Reading
from f5_worker.timing.place import TimedWord, settle
from f5_worker.timing.words import words_of


class WholeText:
    """Puts the words of a text together: one that a chunk's end cuts is whole, and what no chunk speaks is there.

    What ``add`` gives is final.
    """

    def __init__(self, text: str, spans: Sequence[tuple[int, int]], chunks: Sequence[str]) -> None:
        """Of ``text``, in whose ``spans`` words are written (tags are none), and what of it each chunk speaks."""
        self._text, self._spans = text, spans
        self._chunks: list[tuple[int, int] | None] = []  # where each lies in the text; those of a text that was changed do not
        at = 0
        for chunk in chunks:
            start = text.find(chunk, at)
            self._chunks.append((start, start + len(chunk)) if start >= 0 else None)
            at = start + len(chunk) if start >= 0 else at
        self._firsts = [words_of(Reading(chunk))[:1] for chunk in chunks]
        self._read_until = 0  # of the text
        self._number = 0
        self._held: TimedWord | None = None  # which goes on in the next chunk
        self._joined = False
        self._end = 0  # of the last word, in milliseconds

    def add(self, own: Sequence[TimedWord], end: int) -> list[TimedWord]:
        """The words that are final with those of the next chunk, which ends at ``end`` milliseconds."""
        number, words = self._number, list(own)
        place = self._chunks[number]
        last = number == len(self._chunks) - 1
        before: list[TimedWord] = []
        if place is not None:
            before = self._unspoken(self._read_until, place[0], words[0].start if words else self._end)
            self._read_until = place[1]
        if words and self._joined:
            words[0] = replace(words[0], joined=True)
        if self._held is not None:
            words[:1] = [_one_word(self._held, words[0])] if words else [self._held]
        self._held, self._joined = None, False
        if words and not last and self._goes_on():
            if len(words_of(Reading(words[-1].word + self._firsts[number + 1][0].text))) == 1:
                self._held = words.pop()
            else:
                self._joined = True
        after = self._unspoken(self._read_until, len(self._text), words[-1].end if words else self._end) if last else []
        found = [*before, *words, *after]
        times = settle([(word.start, word.end) for word in found], self._end, max(self._end, end))
        self._end = times[-1][1] if times else self._end
        self._number += 1
        return [replace(word, start=start, end=end) for word, (start, end) in zip(found, times, strict=True)]

    def _goes_on(self) -> bool:
        """Whether there is no white space before the next chunk, which has a word."""
        own, following = self._chunks[self._number : self._number + 2]
        return own is not None and following is not None and own[1] == following[0] and bool(self._firsts[self._number + 1])

    def _unspoken(self, start: int, end: int, at: int) -> list[TimedWord]:
        """Words of the text that no chunk speaks, such as rulers, at a time in milliseconds."""
        found = []
        for low, high in self._spans:
            for word in words_of(Reading(self._text[max(start, low) : max(start, low, min(end, high))])):
                found.append(TimedWord(word.text, at, at, 0.0, self._number, word.joined, sounds=False))
        return found


def _one_word(first: TimedWord, rest: TimedWord) -> TimedWord:
    sure, sounds = min(first.confidence, rest.confidence), first.sounds or rest.sounds
    return replace(first, word=first.word + rest.word, end=rest.end, confidence=sure, sounds=sounds)
