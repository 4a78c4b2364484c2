"""The child process in which pocketsphinx finds words in speech: the library ends its process on some errors.

On stdin come requests: a line of JSON, ``{"words": [what is spoken for each, ...], "bytes": n,
"wide": false}``, then ``n`` bytes of 16-bit mono sound at 16 kHz. Each is answered on stdout by one line,
``{"spans": [[start, end] or null, ...]}``: seconds for each word that was heard.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, BinaryIO

from pocketsphinx import Decoder

from f5_worker.timing.pronounce import pronunciations

SAMPLE_RATE = 16_000
# The word lattice is searched again by default, which fails on one sentence in ten (cmusphinx/pocketsphinx 339).
_BEAMS = ((1e-60, 1e-30), (1e-150, 1e-150))  # wide ones cost six times as much, and find what narrow ones have lost
# The weights of a word that is said and of one that is skipped. Short words, by how many phones they have at least, are to be
# found in any sound, and have to be worth a price; a single vowel is never worth much.
_SHORT_WORDS = {1: (0.1, 1.0), 2: (1e-6, 1.0), 3: (1e-6, 1.0)}
_LONG_WORDS = (1.0, 1e-3)
# The same for words that seem to be as short as their phones can be.
_SHORT_WORDS_DOUBTED = {1: (0.1, 1.0), 2: (1e-12, 1.0), 3: (1e-12, 1.0)}
_LONG_WORDS_DOUBTED = (1e-6, 1.0)
_SHORTEST = 3  # frames of a phone
_FRAME = 0.01
_TOKEN = "word"
_HALF_WINDOW = 0.0128  # a frame's features come from 25.6 ms

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Segment:
    """Where a word is heard, in seconds, and whether it is as short as it can be."""

    start: float
    end: float
    shortest: bool


class Aligner:
    """One dictionary entry for each word of a job, with all its readings as pronunciations: the sound chooses."""

    def __init__(self) -> None:
        self._tokens: dict[str, str | None] = {}
        self._phones: dict[str, int] = {}  # of a token, at least
        self._decoders: list[Any] = []
        self._decoder(0)  # before there is anything to do

    def align(self, words: Sequence[str], sound: bytes, *, wide: bool = False) -> list[Span | None]:
        """Where each word is heard, in seconds; ``None`` where it is not.

        First every word may be skipped, at a price; where that finds no path, none may. A word that is not there likes to stay
        as short as can be: such words have to be worth a price to stay.
        """
        tokens = [(place, token) for place, word in enumerate(words) if (token := self.token(word))]
        names, decoder = [token for _, token in tokens], self._decoder(int(wide))
        found = self._optional(decoder, names, frozenset(), sound) if names else {}
        doubted = frozenset(at for at, segment in found.items() if segment.shortest)
        if doubted:
            found = self._optional(decoder, names, doubted, sound) or found
        if names and not found:
            found = self._search(decoder, lambda decoder: decoder.set_align_text(" ".join(names)), names, sound)
        spans: list[Span | None] = [None] * len(words)
        for at, segment in found.items():
            spans[tokens[at][0]] = (segment.start, segment.end)
        return spans

    def token(self, word: str) -> str | None:
        """The dictionary's entry for ``word``, made at its first use; ``None`` where nothing is pronounced."""
        if word not in self._tokens:
            sounds = pronunciations(word, self._decoder(0).lookup_word)
            self._tokens[word] = f"{_TOKEN}{len(self._tokens)}" if sounds else None
            if (token := self._tokens[word]) is not None:
                self._phones[token] = min(len(phones.split()) for phones in sounds)
            for decoder in self._decoders:
                self._teach(decoder, self._tokens[word], sounds)
        return self._tokens[word]

    def _teach(self, decoder: Any, token: str | None, sounds: Sequence[str]) -> None:
        for number, phones in enumerate(sounds, 1):
            decoder.add_word(token if number == 1 else f"{token}({number})", phones, number == len(sounds))

    def _decoder(self, number: int) -> Any:
        while len(self._decoders) <= number:
            # The weights count as they are written (the default raises them to the power of 6.5), and silence costs less.
            phones, words = _BEAMS[len(self._decoders)]
            options = {"beam": phones, "pbeam": phones, "wbeam": words, "lw": 1.0, "wip": 1.0, "bestpath": False}
            decoder: Any = Decoder(lm=None, samprate=SAMPLE_RATE, loglevel="FATAL", **options)
            if self._decoders:
                for word, token in self._tokens.items():
                    self._teach(decoder, token, pronunciations(word, self._decoders[0].lookup_word))
            self._decoders.append(decoder)
        return self._decoders[number]

    def _optional(self, decoder: Any, names: Sequence[str], doubted: frozenset[int], sound: bytes) -> dict[int, Segment]:
        """Those of ``names`` that are heard; the ``doubted`` ones only where much speaks for them."""
        weights = (self._weights(name, at in doubted) for at, name in enumerate(names))
        chain = " ".join(f"( /{keep}/ {name} | /{skip}/ <NULL> )" for name, (keep, skip) in zip(names, weights, strict=True))
        grammar = f"#JSGF V1.0; grammar words; public <words> = {chain} ;"

        def prepare(decoder: Any) -> None:
            decoder.add_jsgf_string("words", grammar)
            decoder.activate_search("words")

        return self._search(decoder, prepare, names, sound)

    def _weights(self, name: str, doubted: bool) -> tuple[float, float]:
        phones = self._phones[name]
        if doubted:
            return _SHORT_WORDS_DOUBTED.get(phones, _LONG_WORDS_DOUBTED)
        return _SHORT_WORDS.get(phones, _LONG_WORDS)

    def _search(self, decoder: Any, prepare: Callable[[Any], None], names: Sequence[str], sound: bytes) -> dict[int, Segment]:
        """What was heard of ``names``, by their places; nothing where there is no path through the sound."""
        try:
            prepare(decoder)
            decoder.start_utt()
            try:
                decoder.process_raw(sound, full_utt=True)
            finally:
                decoder.end_utt()
            segments = [segment for segment in decoder.seg() or [] if segment.word.startswith(_TOKEN)]
        except (RuntimeError, ValueError):
            return {}
        heard = [segment.word.partition("(")[0] for segment in segments]
        found = {}
        for at, first, size in SequenceMatcher(a=names, b=heard, autojunk=False).get_matching_blocks():
            for step in range(size):
                segment = segments[first + step]
                start, end = segment.start_frame, segment.end_frame + 1
                shortest = end - start <= _SHORTEST * len(decoder.lookup_word(segment.word).split()) + 1
                found[at + step] = Segment(start * _FRAME + _HALF_WINDOW, end * _FRAME + _HALF_WINDOW, shortest)
        return found


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    aligner = Aligner()
    while line := requests.readline():
        request = json.loads(line)
        words = request["words"]
        spans = aligner.align(words, requests.read(request["bytes"]), wide=request["wide"])
        answers.write(json.dumps({"spans": spans}).encode() + b"\n")
        answers.flush()


def main() -> None:
    """Serve over the standard streams; what the library itself prints goes to stderr."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
