"""A text's layout: paragraphs, wrapped lines, lists and rulers, and what of it is heard."""

# ruff: noqa: RUF001 - the marks of other scripts are meant

import re
from collections.abc import Iterator
from dataclasses import dataclass

from f5_worker.text.breaks import CLAUSE_MARKS, CLOSERS, SENTENCE_MARKS
from f5_worker.text.clean import NO_BREAK, WIDE, is_speakable
from f5_worker.text.reading import Edit, Reading

_BULLETS = "-*+•◦▪▫‣⁃●○■□◆◇–—·∙✓✔☐☑➤►→※"
_NUMBER = r"\(?(?:\d{1,3}(?:\.\d{1,3})*|[a-z])[.)]|\d{1,3}(?:\.\d{1,3})+"
_WIDE_NUMBER = r"[（(]?[\d一二三四五六七八九十]{1,3}[、．）)]|[①-⑳]"
_LINE = re.compile(
    rf"(?:(?P<bullet>[{re.escape(_BULLETS)}])[ \n](?=\S)|(?P<number>{_NUMBER})[ \n](?=\S)|"
    rf"(?P<wide>{_WIDE_NUMBER}) ?(?=[{WIDE}]))?"
    r"(?P<rest>[^\n]*)(?:\n|\Z)"
)
_RULE = r"[-=_*#~+‐‑‒–—―•·‧∙◦※⁂\u2500-\u25ff★☆❖✦✧]"
_RULER = re.compile(rf"(?<!\S)(?:(?P<spaced>{_RULE}{{1,3}}(?: {_RULE}{{1,3}}){{2,}})|{_RULE}{{3,}})(?!\S)")
_INLINE_NUMBER = re.compile(r"(?<!\S)\(?(\d{1,2})[.)] (?=[^\W\d_])")
_ENDED = (".", "!", "?", ":", ";", ",", "-", "–", "/", *SENTENCE_MARKS, *CLAUSE_MARKS)
_RAGGED = 0.85  # of a paragraph's width: lines that were wrapped by hand leave more room than the next word needs
_NARROWEST_WRAP = 40  # characters; nobody wraps prose in narrower lines, but headings, verses and lists have them


@dataclass(frozen=True, slots=True)
class _Line:
    """``spoken[start:end]``; the text of an item starts at ``body``, behind its marker."""

    start: int
    body: int
    end: int
    bullet: bool = False
    number: str | None = None


def paragraphs(reading: Reading) -> list[Reading]:
    """The paragraphs of what is spoken, each in one line; what cannot be spoken (``is_speakable``) is left out.

    A blank line ends a paragraph, and so does a ruler, which is not spoken. Inside one, a line break between two CJK characters
    is nothing (``NO_BREAK``), and one in wrapped prose is a blank. Other lines, and the items of a list, end like sentences: a
    full stop is spoken where they have no mark; so is one at the end of every paragraph but the last. A number stays with its
    item, and a bullet is not spoken.
    """
    spoken, found = reading.spoken, list(_blocks(reading.spoken))
    result = []
    for lines in found:
        start, end = lines[0].start, lines[-1].end
        edits = list(_edits(spoken, lines))
        if lines is not found[-1]:
            edits += _full_stop(spoken, lines[-1])
        result.append(reading.part(start, end).then(Edit(edit.start - start, edit.end - start, edit.spoken) for edit in edits))
    return result


def _blocks(spoken: str) -> Iterator[list[_Line]]:
    """The lines of each paragraph, where a ruler inside a line ends one, too."""
    block: list[_Line] = []
    for match in _LINE.finditer(spoken):
        start, body, end = match.start(), match.start("rest"), match.end("rest")
        parts = []
        for ruler in _RULER.finditer(spoken, start, end):
            if _is_ruler(spoken, ruler, start, end):
                parts.append((start, ruler.start()))
                start = ruler.end()
        parts.append((start, end))
        for number, (low, high) in enumerate(parts):
            if block and (number or not is_speakable(spoken[low:high])):
                yield block
                block = []
            if is_speakable(spoken[low:high]):
                low += len(spoken[low:high]) - len(spoken[low:high].lstrip())
                high = low + len(spoken[low:high].rstrip())
                marker = low == match.start() and body < high
                block.append(
                    _Line(low, body, high, match["bullet"] is not None, match["number"] or match["wide"])
                    if marker
                    else _Line(low, low, high)
                )
    if block:
        yield block


def _is_ruler(spoken: str, ruler: re.Match[str], start: int, end: int) -> bool:
    """Whether symbols inside a line are a ruler: spaced ones are; others may be a dash, or stand for a word."""
    before, after = spoken[start : ruler.start()].rstrip(), spoken[ruler.end() : end].lstrip()
    return (
        ruler["spaced"] is not None
        or not before
        or not after
        or before.rstrip(CLOSERS).endswith((".", "!", "?", *SENTENCE_MARKS))
        or ruler[0][0] in "=_~#\u2500\u2501\u2550"
        or after[0].isupper()
    )


def _edits(spoken: str, lines: list[_Line]) -> Iterator[Edit]:
    width = max(line.end - line.start for line in lines)
    previous: _Line | None = None
    for line in lines:
        item = (line.bullet or line.number is not None) and (previous is None or _is_item(spoken, line, previous, lines))
        if previous is not None:
            if item or _ends(spoken, previous, line, width):
                yield from _full_stop(spoken, previous)
            yield Edit(previous.end, line.start, "" if not item and NO_BREAK.match(spoken, previous.end) else " ")
        if item and line.bullet:
            yield Edit(line.start, line.body, "")
        elif item and line.number and spoken[line.body - 1].isspace():
            yield Edit(line.start, line.body, f"{line.number} ")
        yield from _inline_numbers(spoken, line.body if item else line.start, line.end)
        previous = line


def _is_item(spoken: str, line: _Line, previous: _Line, lines: list[_Line]) -> bool:
    """Whether the marker of a line is one, and not a dash or a number that a wrap has brought there."""
    if previous.bullet or previous.number or spoken[: previous.end].rstrip(CLOSERS).endswith((".", "!", "?", ":", "：", "。")):
        return True
    if line.bullet:
        return spoken[line.start] not in "-–—+" or sum(other.bullet for other in lines) > 1
    return line.number is not None and re.sub(r"\W", "", line.number) in ("1", "a", "一", "①")


def _ends(spoken: str, line: _Line, following: _Line, width: int) -> bool:
    """Whether a line was ended by whoever wrote it, not by a wrap at ``width`` characters."""
    word = spoken[following.start : following.end].split()[0]
    if word.lstrip("\"'“‘(").startswith(tuple("abcdefghijklmnopqrstuvwxyz")) or word[0].islower():
        return False
    if NO_BREAK.match(spoken, line.end):
        return False
    return width < _NARROWEST_WRAP or line.end - line.start + 1 + len(word) <= _RAGGED * width


def _full_stop(spoken: str, line: _Line) -> Iterator[Edit]:
    core = spoken[line.start : line.end].rstrip(CLOSERS)
    if core and not core.endswith(_ENDED):
        yield Edit(line.end, line.end, "。" if re.match(f"[{WIDE}]", core[-1]) else ".")


def _inline_numbers(spoken: str, start: int, end: int) -> Iterator[Edit]:
    """The numbers of a list that is written in one line stay with their items."""
    numbers = list(_INLINE_NUMBER.finditer(spoken, start, end))
    if [int(match[1]) for match in numbers[:2]] == [1, 2] or (numbers and numbers[0].start() == start):
        for match in numbers:
            yield Edit(match.start(), match.end(), match[0])
