"""Rules that read parts of a text: a pattern, and what is spoken in place of a match."""

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

from f5_worker.text.reading import Edit

Reader: TypeAlias = Callable[[re.Match[str]], str | None]
Rule: TypeAlias = tuple[re.Pattern[str], Reader]
"""What a match is read as, in place of its group ``it`` or the whole of it; ``None``: this is something else after all."""

DASH = r"[-\u2010-\u2015\u2212]"
INTEGER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
NUMBER = rf"(?:{INTEGER}(?:\.\d+)?|\.\d+)"
START = r"(?<!\w)(?<!\d[.,:/])"
END = r"(?!\w)(?![.,:/]\d)"


def rule(pattern: str, reader: Reader, flags: re.RegexFlag = re.NOFLAG) -> Rule:
    r"""A rule; in ``pattern`` a blank is any white space and ``\d`` an ASCII digit (of other digits each script has its own rules)."""
    return re.compile(pattern.replace(" ", r"\s").replace(r"\d", "[0-9]"), flags), reader


def read(text: str, rules: Iterable[Rule], edits: Iterable[Edit] = ()) -> list[Edit]:
    """``edits`` and those that ``rules`` make, in order; earlier rules go first, and what they read is left alone."""
    found = list(edits)
    taken = bytearray(len(text))
    for edit in found:
        taken[edit.start : edit.end] = b"\1" * (edit.end - edit.start)
    for pattern, reader in rules:
        for match in pattern.finditer(text):
            start, end = match.span("it" if "it" in pattern.groupindex else 0)
            if any(taken[start:end]) or (spoken := reader(match)) is None or spoken == text[start:end]:
                continue
            found.append(Edit(start, end, spoken))
            taken[start:end] = b"\1" * (end - start)
    return sorted(found, key=lambda edit: edit.start)


def spaced(text: str, edits: Iterable[Edit]) -> list[Edit]:
    """``edits`` with a blank wherever two words would run together at their borders."""
    result: list[Edit] = []
    for edit in edits:
        touching = bool(result) and result[-1].end == edit.start
        before = result[-1].spoken[-1:] if touching else text[edit.start - 1 : edit.start]
        spoken = edit.spoken
        if touching and before == " ":
            spoken = spoken.lstrip(" ")
        elif before.isalnum() and spoken[:1].isalnum():
            spoken = f" {spoken}"
        if spoken[-1:].isalnum() and text[edit.end : edit.end + 1].isalnum():
            spoken += " "
        result.append(Edit(edit.start, edit.end, spoken))
    return result


def before(match: re.Match[str]) -> str:
    """The text before what a rule reads."""
    return match.string[: _span(match)[0]]


def after(match: re.Match[str]) -> str:
    """The text behind what a rule reads."""
    return match.string[_span(match)[1] :]


def _span(match: re.Match[str]) -> tuple[int, int]:
    return match.span("it" if "it" in match.re.groupindex else 0)
