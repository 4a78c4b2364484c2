"""The child process in which pocketsphinx finds words in speech: the library ends its process on some errors.

On stdin come requests: a line of JSON, ``{"words": [what is spoken for each word, ...], "bytes": n}``, then ``n`` bytes of
16-bit mono sound at 16 kHz. Each is answered on stdout by one line, ``{"spans": [[start, end] or null, ...], "silent": [...]}``:
seconds for each word that was heard, and the places of those that have nothing to pronounce.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, BinaryIO

from pocketsphinx import Decoder

from f5_worker.timing.pronounce import pronunciations

SAMPLE_RATE = 16_000
# The word lattice is searched again by default, which fails on one sentence in ten (cmusphinx/pocketsphinx 339).
_BEAMS = ((1e-60, 1e-40), (1e-48, 7e-29), (1e-90, 1e-70))  # of states and phones, and of words
SKIP_WEIGHT = "1e-15"
_FRAME = 0.01
_HALF_WINDOW = 0.0128  # a frame's features come from 25.6 ms

Span = tuple[float, float]


class Aligner:
    """One dictionary entry for each word of a job, with all its readings as pronunciations: the sound chooses."""

    def __init__(self) -> None:
        self._tokens: dict[str, str | None] = {}
        self._decoders: list[Any] = []

    def align(self, words: Sequence[str], sound: bytes) -> list[Span | None]:
        """Where each word is heard, in seconds; ``None`` where it is not.

        First every word may be skipped, at a price; where that finds no path, none may.
        """
        tokens = [(place, token) for place, word in enumerate(words) if (token := self.token(word))]
        if not tokens:
            return [None] * len(words)
        names = [token for _, token in tokens]
        for attempt in self._attempts(names):
            heard = [segment for segment in attempt(sound) if segment[0] in set(names)]
            if heard:
                break
        else:
            return [None] * len(words)
        spans: list[Span | None] = [None] * len(words)
        matcher = SequenceMatcher(a=names, b=[name for name, _, _ in heard], autojunk=False)
        for at, found, size in matcher.get_matching_blocks():
            for step in range(size):
                _, start, end = heard[found + step]
                spans[tokens[at + step][0]] = (start, end)
        return spans

    def token(self, word: str) -> str | None:
        """The dictionary's entry for ``word``, made at its first use; ``None`` where nothing is pronounced."""
        if word not in self._tokens:
            sounds = pronunciations(word, self._decoder(0).lookup_word)
            self._tokens[word] = f"word{len(self._tokens)}" if sounds else None
            for decoder in self._decoders:
                self._teach(decoder, self._tokens[word], sounds)
        return self._tokens[word]

    def _teach(self, decoder: Any, token: str | None, sounds: Sequence[str]) -> None:
        for number, phones in enumerate(sounds, 1):
            decoder.add_word(token if number == 1 else f"{token}({number})", phones, number == len(sounds))

    def _decoder(self, number: int) -> Any:
        while len(self._decoders) <= number:
            states, words = _BEAMS[len(self._decoders)]
            decoder: Any = Decoder(
                lm=None, samprate=SAMPLE_RATE, loglevel="FATAL", bestpath=False, beam=states, pbeam=states, wbeam=words
            )
            if self._decoders:
                for word, token in self._tokens.items():
                    self._teach(decoder, token, pronunciations(word, self._decoders[0].lookup_word))
            self._decoders.append(decoder)
        return self._decoders[number]

    def _attempts(self, names: Sequence[str]) -> Iterator[Callable[[bytes], list[tuple[str, float, float]]]]:
        yield lambda sound: self._search(self._decoder(0), self._optional(names), sound)
        for number in range(len(_BEAMS)):
            yield lambda sound, number=number: self._search(  # type: ignore[misc]  # the number of this round
                self._decoder(number), lambda decoder: decoder.set_align_text(" ".join(names)), sound
            )

    def _optional(self, names: Sequence[str]) -> Callable[[Any], None]:
        chain = " ".join(f"( /1/ {name} | /{SKIP_WEIGHT}/ <NULL> )" for name in names)

        def activate(decoder: Any) -> None:
            decoder.add_jsgf_string("words", f"#JSGF V1.0; grammar words; public <words> = {chain} ;")
            decoder.activate_search("words")

        return activate

    def _search(self, decoder: Any, prepare: Callable[[Any], None], sound: bytes) -> list[tuple[str, float, float]]:
        try:
            prepare(decoder)
            decoder.start_utt()
            try:
                decoder.process_raw(sound, full_utt=True)
            finally:
                decoder.end_utt()
            segments = list(decoder.seg() or [])
        except (RuntimeError, ValueError):  # no path through the sound
            return []
        found = []
        for segment in segments:
            start, end = (frame * _FRAME + _HALF_WINDOW for frame in (segment.start_frame, segment.end_frame + 1))
            found.append((segment.word.partition("(")[0], start, end))
        return found


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    aligner = Aligner()
    while line := requests.readline():
        request = json.loads(line)
        words = request["words"]
        spans = aligner.align(words, requests.read(request["bytes"]))
        silent = [place for place, word in enumerate(words) if aligner.token(word) is None]
        answers.write(json.dumps({"spans": spans, "silent": silent}).encode() + b"\n")
        answers.flush()


def main() -> None:
    """Serve over the standard streams; what the library itself prints goes to stderr."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
