"""Words grouped into captions: so many words, up to the ends of sentences and pauses, in lines that a screen holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from f5_worker.timing.place import TimedWord

LINE_CHARS = 42
"""The limit of subtitle guidelines, Netflix's and the BBC's among them, for a line of Latin letters."""

PAUSE_MS = 300
_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "।", "؟")  # noqa: RUF001
_CLOSERS = "\"'”’»›)]}」』】》〉"  # noqa: RUF001
_NO_END = frozenset(["mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "vs.", "e.g.", "i.e.", "u.s.", "no.", "jr.", "sr."])


@dataclass(frozen=True, slots=True)
class Caption:
    """``lines`` of text shown from ``start`` to ``end`` in milliseconds."""

    start: int
    end: int
    lines: tuple[str, ...]


def captions(words: Sequence[TimedWord], most_words: int) -> list[Caption]:
    """Captions of at most ``most_words`` words, which also end at pauses and sentence ends."""
    return [Caption(group[0].start, group[-1].end, lines_of(text_of(group))) for group in _groups(words, most_words)]


def text_of(words: Sequence[TimedWord]) -> str:
    """The words with the white space between them; none in scripts that have none."""
    return "".join(("" if number == 0 or word.joined else " ") + word.word for number, word in enumerate(words))


def lines_of(text: str) -> tuple[str, ...]:
    """``text`` in lines of at most ``LINE_CHARS``, about even; only what has no white space is cut inside."""
    pieces: list[str] = []
    for word in text.split():
        pieces += [word[at : at + LINE_CHARS] for at in range(0, len(word), LINE_CHARS)]
    count = max(1, len(_filled(pieces, LINE_CHARS)))
    width = next(width for width in range(1, LINE_CHARS + 1) if width == LINE_CHARS or len(_filled(pieces, width)) <= count)
    return tuple(_filled(pieces, width))


def _filled(pieces: Sequence[str], width: int) -> list[str]:
    lines: list[str] = []
    for piece in pieces:
        if lines and len(lines[-1]) + 1 + len(piece) <= width:
            lines[-1] += f" {piece}"
        else:
            lines.append(piece)
    return lines if all(len(line) <= width for line in lines) else [*lines, *pieces]


def _groups(words: Sequence[TimedWord], most_words: int) -> Iterator[list[TimedWord]]:
    group: list[TimedWord] = []
    for number, word in enumerate(words):
        group.append(word)
        following = words[number + 1] if number + 1 < len(words) else None
        if (
            following is None
            or len(group) == most_words
            or following.start - word.end >= PAUSE_MS
            or (_ends_sentence(word.word) and following.sounds)
        ):
            yield group
            group = []


def _ends_sentence(word: str) -> bool:
    bare = word.rstrip(_CLOSERS)
    return bare.endswith(_SENTENCE_ENDS) and bare.lower() not in _NO_END
