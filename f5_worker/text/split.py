"""A text split into chunks that the model can speak in one go.

A chunk ends, by preference, after a sentence, then after a clause, then at white space, then between two characters that belong
to no common word (CJK, after a hyphen), and only then inside a word; never inside a grapheme cluster, as far as the standard
library can tell. Chunks are chosen all at once, by the least total cost (``_cheapest``), so that they are few, of like length,
and none is tiny.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

from f5_worker.errors import InputError
from f5_worker.text.breaks import Break, Piece, cut_at_breaks
from f5_worker.text.clean import is_speakable
from f5_worker.text.reading import Edit, Reading

# In units of the shape cost, which is 1 for an empty chunk and 0 for a full one: a chunk is rather left half empty than ended
# inside a clause, but a sentence is rather cut than a tiny chunk left.
_BREAK_COST = {Break.SENTENCE: 0.0, Break.CLAUSE: 0.5, Break.SPACE: 1.0, Break.CHARACTER: 1.25, Break.WORD: 2.0}
_TINY_FILL = 0.25
_TINY_COST = 5.0
_BREAKS_PER_CHUNK = 32  # tried at most, which bounds the work
_LEAST_START, _MOST_START = 1 / 3, 2.0  # of the wished length of a text's start


def split_reading(reading: Reading, seconds: Callable[[str], float], max_seconds: float) -> list[Reading]:
    """Split a reading into chunks that each take at most ``max_seconds`` to speak.

    Nothing is lost: the chunks are consecutive parts of it, less the white space between them, cut where it ``may_cut_spoken``.
    Each has a letter or a digit. A text that fits is one chunk, unchanged; a blank one gives no chunk.

    Args:
        reading: of a cleaned text (``clean_text``) in one line, and speakable (``is_speakable``).
        seconds: how long a text takes to speak. Must not fall as a text grows; for even chunks, about linear in bytes.
        max_seconds: the limit for one chunk.

    Raises:
        InputError: when no split fits, because a single character, or a stretch without letters and digits, is over the limit.
    """
    text = reading.spoken
    if not text.strip():
        return []
    whole = seconds(text)
    if whole <= max_seconds:
        return [reading]
    capacity = max(1.0, len(text.encode()) * max_seconds / (whole or 1.0))
    pieces = _merge_small(text, _uncut(reading, cut_at_breaks(text, open_from=capacity / 8)), capacity / _BREAKS_PER_CHUNK)
    chunks = _cheapest(text, list(pieces), seconds, max_seconds, capacity)
    starts = [start for start, _ in chunks[1:]]
    return [_chunk(reading, start, end, after) for (start, end), after in zip(chunks, [*starts, len(text)], strict=True)]


def split_off_start(reading: Reading, seconds: Callable[[str], float], about: float) -> list[Reading]:
    """A reading as a start that takes ``about`` so many seconds to speak, and the rest; or whole, where it is short.

    The start ends after a sentence or a clause, where one ends at a third to twice that length; else between words.
    """
    text = reading.spoken
    whole = seconds(text)
    least, most = about * _LEAST_START, about * _MOST_START
    if whole <= most:
        return [reading]
    pieces = list(_uncut(reading, cut_at_breaks(text, open_from=len(text.encode()) * about / whole)))
    best, cost = None, float("inf")
    for piece, following in pairwise(pieces):
        start, rest = text[: piece.end], text[following.start :]
        if (length := seconds(start)) > most:
            break
        if length < least or seconds(rest) < least or not (is_speakable(start) and is_speakable(rest)):
            continue
        if (own := 2 * _BREAK_COST[piece.after] + abs(math.log2(length / about))) < cost:
            best, cost = (piece, following), own
    if best is None:
        return [reading]
    piece, following = best
    return [_chunk(reading, pieces[0].start, piece.end, following.start), reading.part(following.start, len(text))]


def _chunk(reading: Reading, start: int, end: int, following: int) -> Reading:
    """What stands for ``spoken[start:end]``, and what is not spoken of the text before that of ``spoken[following]``."""
    part, longer = reading.part(start, end), reading.part(start, following)
    if longer.text.rstrip() == part.text:
        return part
    return longer.then([Edit(end - start, following - start, "")])


def _cheapest(
    text: str, pieces: list[Piece], seconds: Callable[[str], float], max_seconds: float, capacity: float
) -> list[tuple[int, int]]:
    """Join ``pieces`` into the chunks of least total cost: shortest path over the breaks.

    A chunk costs what its closing break costs, plus the square of the room it leaves free (which favours few chunks of like
    length), plus a fine if it is tiny. ``capacity`` is the size of a full chunk in bytes.
    """
    size_at_start, size_at_end, spoken = [0], [0], [0]
    for piece, following in zip(pieces, [*pieces[1:], None], strict=True):
        part = text[piece.start : piece.end]
        size_at_end.append(size_at_start[-1] + len(part.encode()))
        gap = text[piece.end : following.start] if following else ""
        size_at_start.append(size_at_end[-1] + len(gap.encode()))
        spoken.append(spoken[-1] + is_speakable(part))

    def fits(first: int, last: int) -> bool:
        return seconds(text[pieces[first].start : pieces[last - 1].end]) <= max_seconds

    infinite = float("inf")
    cost = [0.0] + [infinite] * len(pieces)  # of the cheapest way to speak the first n pieces
    previous = [0] * (len(pieces) + 1)
    earliest = 0  # no chunk that starts before this piece fits any more
    for last in range(1, len(pieces) + 1):
        end = size_at_end[last]
        while earliest < last and not fits(earliest, last):
            earliest += 1
        at_break = _BREAK_COST[pieces[last - 1].after]
        for first in range(last - 1, earliest - 1, -1):
            size = end - size_at_start[first]
            if spoken[last] == spoken[first]:
                continue
            fill = size / capacity
            total = cost[first] + at_break + (1 - fill) ** 2
            if fill < _TINY_FILL:
                total += _TINY_COST * (1 - fill / _TINY_FILL)
            if total < cost[last]:
                cost[last], previous[last] = total, first

    if cost[-1] == infinite:
        reached = max(n for n, value in enumerate(cost) if value < infinite)
        position = pieces[reached].start + 1
        raise InputError(
            f"text cannot be split into chunks of at most {max_seconds:.1f} s: what starts at character {position} does not "
            "fit. Put white space, letters or digits there, raise speed, or use a shorter reference clip.",
            field="text",
            position=position,
        )
    chunks = []
    last = len(pieces)
    while last > 0:
        first = previous[last]
        chunks.append((pieces[first].start, pieces[last - 1].end))
        last = first
    return chunks[::-1]


def _uncut(reading: Reading, pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Join pieces between which no cut is possible, because an edit reaches over it."""
    held: Piece | None = None
    for piece in pieces:
        if held and reading.may_cut_spoken(held.end) and reading.may_cut_spoken(piece.start):
            yield held
            held = None
        held = Piece(held.start if held else piece.start, piece.end, piece.after)
    if held:
        yield held


def _merge_small(text: str, pieces: Iterator[Piece], size: float) -> Iterator[Piece]:
    """Join pieces until each has ``size`` bytes or more; of the breaks that are too close to each other, the best stays."""
    held: Piece | None = None
    for piece in pieces:
        if held is None:
            held = piece
        elif len(text[held.start : held.end].encode()) < size or (
            len(text[piece.start : piece.end].encode()) < size and piece.after < held.after
        ):
            held = Piece(held.start, piece.end, piece.after)
        else:
            yield held
            held = piece
    if held is not None:
        yield held
