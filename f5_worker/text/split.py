"""What is spoken, and in which pieces: text cleaned, and split into chunks that the model can speak in one go.

A chunk ends, by preference, after a sentence, then after a clause, then at white space, then between two characters that belong
to no common word (CJK, after a hyphen), and only then inside a word; never inside a grapheme cluster, as far as the standard
library can tell. Chunks are chosen all at once, by the least total cost (``_cheapest``), so that they are few, of like length,
and none is tiny.
"""

# ruff: noqa: RUF001 - the marks of other scripts are meant

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from f5_worker.errors import InputError

# F5 speaks fewer UTF-8 bytes than this at a speed of its own (infer_batch_process), so a shorter text may take longer.
SHORT_TEXT_BYTES = 10

_ZWNJ, _ZWJ = "\u200c", "\u200d"
# A joiner that follows nothing, or a script that is written without joiners (all below U+0600, Latin and Greek extensions).
_STRAY_JOINER = re.compile(r"(?<![\u0600-\u1cff\u2190-\U0010ffff])[\u200c\u200d]|(?<=\s)[\u200c\u200d]")
_WHITE_SPACE = re.compile(r"\s+")
_REPEATED_SYMBOL = re.compile(r"([^\w\s]|_)\1{3,}")
_HANGUL_FILLERS = "\u115f\u1160\u3164\uffa0"  # letters by category, but blank

_RUN = re.compile(r"\S+")
_SENTENCE_MARKS = "。！？｡．‼⁇⁈⁉؟۔।॥።။។།"
_CLAUSE_MARKS = "，、；：､،؛፣၊…—―"
_CLOSERS = "\"'”’»›)]}」』）】》〉〕｝＂＇"
_OPENERS = "\"'“‘„‚«‹([{「『（【《〈〔｛＂＇¿¡"
_WIDE = r"\u2e80-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff"
# Marks that need no white space after them: those of scripts without it, and ASCII ones in the midst of CJK.
_INNER_MARKS = re.compile(
    rf"(?:[{_SENTENCE_MARKS}{_CLAUSE_MARKS}]+|(?<=[{_WIDE}])[.,;:!?]++(?![0-9A-Za-z]))+[{re.escape(_CLOSERS)}]*"
)
_UNSPACED = re.compile(rf"[{_WIDE}\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]")  # scripts that put no white space between words
_NEVER_LAST = re.compile(
    r"mr|mrs|ms|dr|prof|st|mt|gen|col|lt|sgt|capt|rev|hon|gov|sen|rep|pres|messrs|vs|cf|ca|approx|e\.g|i\.e|viz|figs?|vol|pp|"
    r"jan|feb|aug|sept|oct|nov|dec|srt?a|dra|mme|mlle|nr|bzw|z\.b|d\.h|u\.a|evtl|hr|fr"
)
_SELDOM_LAST = re.compile(
    r"etc|inc|ltd|co|corp|jr|sr|al|dept|est|usw|\d{1,2}|(?:[^\W\d_]{1,3}\.)+[^\W\d_]{1,3}"
)  # the last: p.m, U.S


class _Break(IntEnum):
    """How good a place to end a chunk is."""

    SENTENCE = 0
    CLAUSE = 1
    SPACE = 2
    PIECE = 3
    WORD = 4


# In units of the shape cost, which is 1 for an empty chunk and 0 for a full one: a chunk is rather left half empty than ended
# inside a clause, but a sentence is rather cut than a tiny chunk left.
_BREAK_COST = {_Break.SENTENCE: 0.0, _Break.CLAUSE: 0.5, _Break.SPACE: 1.0, _Break.PIECE: 1.25, _Break.WORD: 2.0}
_TINY_FILL = 0.25
_TINY_COST = 5.0
_GRAINS = 32  # breaks tried in one chunk's length at most, which bounds the work


@dataclass(frozen=True, slots=True)
class _Piece:
    """``text[start:end]`` and the break after it; white space between pieces belongs to none."""

    start: int
    end: int
    after: _Break


def clean_text(text: str) -> str:
    """Bring ``text`` into the form that is spoken: idempotent, and blank if nothing is left.

    NFC (not NFKC: that would turn CJK punctuation, which the model knows, into ASCII). Control and format characters go, soft
    hyphens and direction marks among them; the joiners ZWJ and ZWNJ stay where they shape a script (Persian, Indic) or emoji.
    Every run of white space becomes one space. More than three of the same symbol in a row become three, because F5 gives every
    byte its time: a ruled line would be seconds of noise. Lone surrogates are the caller's to refuse.
    """
    junk = {c for c in set(text) if unicodedata.category(c) in ("Cc", "Cf") and not c.isspace() and c not in (_ZWNJ, _ZWJ)}
    if junk:
        text = text.translate({ord(c): None for c in junk})
    text = unicodedata.normalize("NFC", _STRAY_JOINER.sub("", text))
    text = _WHITE_SPACE.sub(" ", text).strip()
    return _REPEATED_SYMBOL.sub(r"\1\1\1", text)


def is_speakable(text: str) -> bool:
    """Whether ``text`` has a letter or a digit, in any script."""
    return any(c.isalnum() and c not in _HANGUL_FILLERS for c in text)


def split_text(text: str, seconds: Callable[[str], float], max_seconds: float) -> list[str]:
    """Split ``text`` into chunks that each take at most ``max_seconds`` to speak.

    Nothing is lost: the chunks are consecutive slices of ``text``, less the white space between them. Each has a letter or a
    digit. A text that fits is one chunk, unchanged; a blank one is none.

    Args:
        text: cleaned (``clean_text``) and speakable (``is_speakable``).
        seconds: how long a text takes to speak. Must not fall as a text of ``SHORT_TEXT_BYTES`` UTF-8 bytes or more grows; for
            even chunks, about linear in bytes. It may be anything for shorter texts.
        max_seconds: the limit for one chunk.

    Raises:
        InputError: when no split fits, because a single character, or a stretch without letters and digits, is over the limit.
    """
    if not text.strip():
        return []
    whole = seconds(text)
    if whole <= max_seconds:
        return [text]
    capacity = max(1.0, len(text.encode()) * max_seconds / (whole or 1.0))
    pieces = list(_grains(text, _pieces(text, open_from=capacity / 8), capacity / _GRAINS))
    return _cheapest(text, pieces, seconds, max_seconds, capacity)


def _cheapest(
    text: str, pieces: list[_Piece], seconds: Callable[[str], float], max_seconds: float, capacity: float
) -> list[str]:
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
        while earliest < last and end - size_at_start[earliest] >= SHORT_TEXT_BYTES and not fits(earliest, last):
            earliest += 1
        at_break = _BREAK_COST[pieces[last - 1].after]
        for first in range(last - 1, earliest - 1, -1):
            size = end - size_at_start[first]
            if spoken[last] == spoken[first] or (size < SHORT_TEXT_BYTES and not fits(first, last)):
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
        chunks.append(text[pieces[first].start : pieces[last - 1].end])
        last = first
    return chunks[::-1]


def _grains(text: str, pieces: Iterator[_Piece], size: float) -> Iterator[_Piece]:
    """Join pieces until each has ``size`` bytes or more; of the breaks that are too close to each other, the best stays."""
    held: _Piece | None = None
    for piece in pieces:
        if held is None:
            held = piece
        elif len(text[held.start : held.end].encode()) < size or (
            len(text[piece.start : piece.end].encode()) < size and piece.after < held.after
        ):
            held = _Piece(held.start, piece.end, piece.after)
        else:
            yield held
            held = piece
    if held is not None:
        yield held


def _pieces(text: str, open_from: float) -> Iterator[_Piece]:
    """Cut ``text`` at every break, in order; words get breaks inside if they have ``open_from`` bytes or more."""
    inner = {
        match.end(): _Break.SENTENCE if any(c in match[0] for c in _SENTENCE_MARKS + ".!?") else _Break.CLAUSE
        for match in _INNER_MARKS.finditer(text)
        if not (text[match.start() - 1 : match.start()].isdigit() and text[match.end() : match.end() + 1].isdigit())
    }
    start = None
    runs = list(_RUN.finditer(text))
    for run, following in zip(runs, [*runs[1:], None], strict=True):
        if start is None:
            start = run.start()
        breaks: Iterator[tuple[int, _Break]]
        if len(run[0].encode()) >= open_from:
            breaks = ((at, inner.get(at, _inside(text, at))) for at in _cluster_starts(text, run.start(), run.end()))
        else:
            breaks = ((at, inner[at]) for at in range(run.start() + 1, run.end()) if at in inner and not _joined(text, at))
        for at, level in breaks:
            yield _Piece(start, at, level)
            start = at
        if following is None:
            yield _Piece(start, run.end(), _Break.SENTENCE)
        elif not _joined(text, following.start()):
            yield _Piece(start, run.end(), _after_word(run[0], following[0]))
            start = None


def _after_word(word: str, following: str) -> _Break:
    """How well a chunk can end between two words."""
    core = word.rstrip(_CLOSERS + "“‘")  # the last two close quotes in German
    mid_sentence = following.lstrip(_OPENERS)[:1].islower()
    if core.endswith(("..", "…", "!", "?", *_SENTENCE_MARKS)):
        return _Break.CLAUSE if mid_sentence else _Break.SENTENCE
    if core.endswith("."):
        name = core.lstrip(_OPENERS)[:-1].lower()
        if _NEVER_LAST.fullmatch(name) or (len(name) == 1 and name.isalpha() and name != "i"):
            return _Break.PIECE  # a title stays with its name
        if _SELDOM_LAST.fullmatch(name):
            return _Break.SPACE if mid_sentence else _Break.CLAUSE
        return _Break.CLAUSE if mid_sentence else _Break.SENTENCE
    if core.endswith((",", ";", ":", "–", *_CLAUSE_MARKS)) or core == "-":
        return _Break.CLAUSE
    return _Break.SPACE


def _inside(text: str, at: int) -> _Break:
    """How well a word can be cut before ``text[at]``."""
    before, after = text[at - 1], text[at]
    if not after.isalnum() or before in _OPENERS:
        return _Break.WORD
    if not before.isalnum():
        return _Break.WORD if before == "." or after.isdigit() else _Break.PIECE
    return _Break.PIECE if _UNSPACED.match(before) or _UNSPACED.match(after) else _Break.WORD


def _cluster_starts(text: str, start: int, end: int) -> Iterator[int]:
    """The places between ``start`` and ``end``, both excluded, where a grapheme cluster begins."""
    flags = 0
    for at in range(start + 1, end):
        flags = flags + 1 if "\U0001f1e6" <= text[at - 1] <= "\U0001f1ff" else 0
        if flags % 2 and "\U0001f1e6" <= text[at] <= "\U0001f1ff":
            continue  # two regional indicators are one flag
        if not _joined(text, at):
            yield at


def _joined(text: str, at: int) -> bool:
    """Whether ``text[at]`` continues the grapheme cluster before it.

    After Unicode's UAX 29, from what ``unicodedata`` knows: marks, joiners, emoji modifiers, conjuncts, Hangul jamo, and the
    vowels that Thai and Lao write before their consonant.
    """
    before, after = text[at - 1], text[at]
    if before == _ZWJ:
        return True
    if after < "\u0300":
        return False
    return (
        unicodedata.category(after)[0] == "M"
        or after in "\u200c\u200d\u0e33\u0eb3\uff9e\uff9f"
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or "\u1160" <= after <= "\u11ff"
        or ("\u1100" <= before <= "\u115f" and ("\u1100" <= after <= "\u115f" or "\uac00" <= after <= "\ud7a3"))
        or "\u0e40" <= before <= "\u0e44"
        or "\u0ec0" <= before <= "\u0ec4"
        or (unicodedata.combining(before) == 9 and before != "\u103a" and after.isalpha())  # a virama, but not Burmese asat
    )
