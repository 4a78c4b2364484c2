"""Words grouped into captions: so many words, up to the ends of sentences and pauses, in lines that a screen holds."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from f5_worker.timing.place import TimedWord

LINE_CHARS = 42
"""The limit of subtitle guidelines, Netflix's and the BBC's among them, for a line of Latin letters."""

PAUSE_MS = 300
_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "।", "؟")  # noqa: RUF001
_CLAUSE_ENDS = (*_SENTENCE_ENDS, ",", ";", ":", "，", "、", "；", "：")  # noqa: RUF001
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
    return [Caption(group[0].start, group[-1].end, lines_of(group)) for group in _groups(words, most_words)]


def lines_of(words: Sequence[TimedWord]) -> tuple[str, ...]:
    """The words in lines of at most ``LINE_CHARS``, about even; only a word that is longer than that is cut inside."""
    pieces = [(piece, number == 0 and not word.joined) for word in words for number, piece in enumerate(_pieces_of(word.word))]
    count = len(_filled(pieces, LINE_CHARS))
    width = next(width for width in range(1, LINE_CHARS + 1) if width == LINE_CHARS or len(_filled(pieces, width)) <= count)
    return tuple(_filled(pieces, width))


def _pieces_of(word: str) -> Iterator[str]:
    """A word in pieces of ``LINE_CHARS``; no mark is parted from its letter."""
    while len(word) > LINE_CHARS:
        at = next((at for at in range(LINE_CHARS, 0, -1) if not unicodedata.category(word[at]).startswith("M")), LINE_CHARS)
        yield word[:at]
        word = word[at:]
    yield word


def _filled(pieces: Sequence[tuple[str, bool]], width: int) -> list[str]:
    """Lines of pieces, each of which may be apart from the one before; more than there can be where one is too wide."""
    lines: list[str] = []
    for piece, apart in pieces:
        longer = f"{lines[-1]} {piece}" if lines and apart else "".join([*lines[-1:], piece])
        if lines and len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(piece)
    return lines if all(len(line) <= width for line in lines) else [*lines, *(piece for piece, _ in pieces)]


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
            at = _clause_end(group) if following is not None and following.joined and len(group) == most_words else len(group)
            yield group[:at]
            group = group[at:]


def _clause_end(group: Sequence[TimedWord]) -> int:
    """Where to end a caption without white space, that a clause is not torn for its last characters; its length if nowhere."""
    places = range(len(group) - 1, len(group) // 3, -1)
    return next((at for at in places if group[at - 1].word.endswith(_CLAUSE_ENDS)), len(group))


def _ends_sentence(word: str) -> bool:
    bare = word.rstrip(_CLOSERS)
    return bare.endswith(_SENTENCE_ENDS) and bare.lower() not in _NO_END
