"""Where a text may be cut, and how well: after sentences, clauses and words, between characters, inside words."""

# ruff: noqa: RUF001 - the marks of other scripts are meant

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from f5_worker.text.clean import ZWJ

_RUN = re.compile(r"\S+")
SENTENCE_MARKS = "。！？｡．‼⁇⁈⁉؟۔।॥።။។།"
CLAUSE_MARKS = "，、；：､،؛፣၊…—―"
CLOSERS = "\"'”’»›)]}」』）】》〉〕｝＂＇"
_OPENERS = "\"'“‘„‚«‹([{「『（【《〈〔｛＂＇¿¡"
_WIDE = r"\u2e80-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff"
# Marks that need no white space after them: those of scripts without it, and ASCII ones in the midst of CJK.
_INNER_MARKS = re.compile(
    rf"(?:[{SENTENCE_MARKS}{CLAUSE_MARKS}]+|(?<=[{_WIDE}])[.,;:!?]++(?![0-9A-Za-z]))+[{re.escape(CLOSERS)}]*"
)
_UNSPACED = re.compile(rf"[{_WIDE}\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]")  # scripts that put no white space between words
_NEVER_LAST = re.compile(
    r"mr|mrs|ms|dr|prof|st|mt|gen|col|lt|sgt|capt|rev|hon|gov|sen|rep|pres|messrs|vs|cf|ca|approx|e\.g|i\.e|viz|figs?|vol|pp|"
    r"jan|feb|aug|sept|oct|nov|dec|srt?a|dra|mme|mlle|nr|bzw|z\.b|d\.h|u\.a|evtl|hr|fr"
)
_SELDOM_LAST = re.compile(
    r"etc|inc|ltd|co|corp|jr|sr|al|dept|est|usw|\d{1,2}|(?:[^\W\d_]{1,3}\.)+[^\W\d_]{1,3}"
)  # the last: p.m, U.S


class Break(IntEnum):
    """How good a place to end a chunk is."""

    SENTENCE = 0
    CLAUSE = 1
    SPACE = 2
    CHARACTER = 3
    WORD = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """``text[start:end]`` and the break after it; white space between pieces belongs to none."""

    start: int
    end: int
    after: Break


def cut_at_breaks(text: str, open_from: float) -> Iterator[Piece]:
    """Cut ``text`` at every break, in order; words get breaks inside if they have ``open_from`` bytes or more."""
    inner = {
        match.end(): Break.SENTENCE if any(c in match[0] for c in SENTENCE_MARKS + ".!?") else Break.CLAUSE
        for match in _INNER_MARKS.finditer(text)
        if not (text[match.start() - 1 : match.start()].isdigit() and text[match.end() : match.end() + 1].isdigit())
    }
    start = None
    runs = list(_RUN.finditer(text))
    for run, following in zip(runs, [*runs[1:], None], strict=True):
        if start is None:
            start = run.start()
        breaks: Iterator[tuple[int, Break]]
        if len(run[0].encode()) >= open_from:
            breaks = ((at, inner.get(at, _inside(text, at))) for at in _cluster_starts(text, run.start(), run.end()))
        else:
            breaks = ((at, inner[at]) for at in range(run.start() + 1, run.end()) if at in inner and not _joined(text, at))
        for at, level in breaks:
            yield Piece(start, at, level)
            start = at
        if following is None:
            yield Piece(start, run.end(), Break.SENTENCE)
        elif not _joined(text, following.start()):
            yield Piece(start, run.end(), _after_word(run[0], following[0]))
            start = None


def _after_word(word: str, following: str) -> Break:
    """How well a chunk can end between two words."""
    core = word.rstrip(CLOSERS + "“‘")  # the last two close quotes in German
    mid_sentence = following.lstrip(_OPENERS)[:1].islower()
    if core.endswith(("..", "…", "!", "?", *SENTENCE_MARKS)):
        return Break.CLAUSE if mid_sentence else Break.SENTENCE
    if core.endswith("."):
        name = core.lstrip(_OPENERS)[:-1].lower()
        if _NEVER_LAST.fullmatch(name) or (len(name) == 1 and name.isalpha() and name != "i"):
            return Break.CHARACTER  # a title stays with its name
        if _SELDOM_LAST.fullmatch(name):
            return Break.SPACE if mid_sentence else Break.CLAUSE
        return Break.CLAUSE if mid_sentence else Break.SENTENCE
    if core.endswith((",", ";", ":", "–", *CLAUSE_MARKS)) or core == "-":
        return Break.CLAUSE
    return Break.SPACE


def _inside(text: str, at: int) -> Break:
    """How well a word can be cut before ``text[at]``."""
    before, after = text[at - 1], text[at]
    if not after.isalnum() or before in _OPENERS:
        return Break.WORD
    if not before.isalnum():
        return Break.WORD if before == "." or after.isdigit() else Break.CHARACTER
    return Break.CHARACTER if _UNSPACED.match(before) or _UNSPACED.match(after) else Break.WORD


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
    if before == ZWJ:
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
