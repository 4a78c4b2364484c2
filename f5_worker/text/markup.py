"""Markdown and HTML (SSML's tags with it): what of a marked-up text is spoken, and whether a text looks like one.

The text stays as the caller wrote it; all that is stripped becomes an ``Edit``. Structure is kept as the layout that
``paragraphs`` reads: blank lines, and list items in lines of their own.
"""

import re
from collections.abc import Iterator
from html import unescape

from f5_worker.text.clean import clean_text
from f5_worker.text.reading import Edit, Reading

_PARAGRAPH_TAGS = re.findall(
    r"\S+",
    """address article aside blockquote body break dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6
    head header hr html main nav ol p paragraph pre section speak summary table tbody tfoot thead title ul""",
)
_LINE_TAGS = re.findall(r"\S+", "br caption li option tr")
_INLINE_TAGS = re.findall(
    r"\S+",
    """a abbr audio b bdi bdo big button center cite code data del dfn em emphasis font i img input ins kbd label lang link mark
    meta phoneme picture prosody q s samp say-as sentence small source span strike strong sub sup svg td th time tt u var video
    voice w wbr !doctype ?xml""",
)
_TAGS = {*_PARAGRAPH_TAGS, *_LINE_TAGS, *_INLINE_TAGS}
_ATTRIBUTES = r"(?:\s+[\w:@.-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>]+))?)*\s*[/?]?"
_TAG = rf"<(?P<slash>/?)(?P<tag>[!?]?[A-Za-z][\w:-]*)(?P<attributes>{_ATTRIBUTES})>"
_URL = r"\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)"
_INLINE = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?P<gone><!--.*?-->|<(?P<raw>script|style|template)\b.*?</(?P=raw)\s*>| ?\[\^[^\]\n]+\]:?"
    r"|(?m:^\[[^\]\n]+\]: ?\S+[^\n]*$))"
    r"|(?P<ticks>`+)(?P<code>[^`\n]+)(?P=ticks)"
    rf"|!\[(?P<alt>[^\]\n]*)\](?:{_URL}|\[[^\]\n]*\])"
    rf"|\[(?P<words>(?:[^\[\]\n]|!?\[[^\[\]\n]*\](?:{_URL})?)+)\](?:{_URL}|\[(?P<label>[^\]\n]*)\])"
    r"|<(?P<address>(?:https?://|mailto:)[^<>\s]+|[\w.+-]+@[\w.-]+)>"
    rf"|{_TAG}"
    r"|(?P<stars>\*{2,3}|(?<![\d*])\*|(?<!\w)_{1,3}|~~)(?=[^\s*_~])(?P<stressed>(?:(?!\n\n).){1,1000}?)"
    r"(?<=[^\s\\])(?P=stars)(?![*_])(?:(?<!_)|(?!\w))"
    r"|(?P<entity>&(?:\#\d{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)",
    re.DOTALL | re.IGNORECASE,
)
_KEPT = ("escaped", "code", "alt", "words", "address", "stressed")
_FENCE = re.compile(r"(?:> ?)*(```|~~~)[^`\n]*")
_QUOTE = re.compile(r"(?:> ?)+")
_HEADING = re.compile(r"#{1,6} (?=\S)")
_TABLE_RULE = re.compile(r"\|? ?:?-+:? ?(?:\| ?:?-+:? ?)*\|?")
_CHECKBOX = re.compile(r"(?<=[-*+] )\[[ xX]\] ")
_ATTRIBUTE = re.compile(r"\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_SIGNS = re.compile(
    rf"(?m)^#{{1,6}} [^\W\d]|^(?:```|~~~)|\[[^\]\n]+\]\((?:https?:|mailto:|/|#|www\.)[^)\n]*\)|!\[[^\]\n]*\]{_URL}"
    r"|(\*\*|__)(?=[^\s*_])[^\n]*?[^\s*_]\1|^\|? ?:?-{2,}:? ?\|[ :|-]*$|`[^`\s][^`\n]*`"
    r"|(?<!\S)\*[^\s*][^*\n]*[^\s*]\*(?!\w)|^> \S"
)


def markup_in(text: str) -> str | None:
    """The name of the markup that ``text`` seems to be written in; ``None`` for plain text, and where it is in doubt."""
    if any(_is_tag(text, match) for match in re.finditer(_TAG, text)) or re.search(r"&(?:amp|lt|gt|quot|nbsp|#\d+);", text):
        return "HTML"
    return "Markdown" if _SIGNS.search(text) else None


def plain_text(text: str) -> Reading:
    """What is spoken of a cleaned text in Markdown or HTML.

    Links keep their words, images their description, code its content; entities are decoded. A row of a table is a sentence.
    Comments, scripts, footnote marks and link targets go.
    """
    edits: list[Edit] = []
    for edit in sorted([*_block_edits(text), *_Inline(text).edits()], key=lambda edit: (edit.start, edit.end)):
        if not edits or edit.start >= edits[-1].end:
            edits.append(edit)
    return Reading(text, edits)


def _block_edits(text: str) -> Iterator[Edit]:
    """Fences, quotation marks, headings and tables."""
    lines = [match.span() for match in re.finditer(r"[^\n]+", text)]
    fenced = False
    rows = _table_rows(text, lines)
    for start, end in lines:
        if fence := _FENCE.fullmatch(text, start, end):
            fenced = not fenced
            yield Edit(*fence.span(), "")
            continue
        if fenced:
            continue
        if quote := _QUOTE.match(text, start, end):
            yield Edit(*quote.span(), "")
            start = quote.end()
        if (start, end) in rows:
            yield from _row_edits(text, start, end)
        elif heading := _HEADING.match(text, start, end):
            yield Edit(*heading.span(), "\n")
            bare = len(text[start:end].rstrip("# "))
            yield Edit(start + bare, end, "\n")
        elif box := _CHECKBOX.search(text, start, end):
            yield Edit(*box.span(), "")


def _table_rows(text: str, lines: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """The lines of tables: those with a bar around one of dashes and bars."""
    found: set[tuple[int, int]] = set()
    for number, (start, end) in enumerate(lines):
        if (
            number
            and "|" in text[start:end]
            and _TABLE_RULE.fullmatch(text, start, end)
            and "|" in text[slice(*lines[number - 1])]
        ):
            found |= {lines[number - 1], (start, end)}
            for row in lines[number + 1 :]:
                if "|" not in text[slice(*row)] or text[row[0] - 2 : row[0]] == "\n\n":
                    break
                found.add(row)
    return found


def _row_edits(text: str, start: int, end: int) -> Iterator[Edit]:
    if _TABLE_RULE.fullmatch(text, start, end):
        yield Edit(start - 1, end, "")
        return
    for bars in re.compile(r" ?(?:(?<!\\)\| ?)+").finditer(text, start, end):
        inside = start < bars.start() and bars.end() < end
        yield Edit(*bars.span(), ", " if inside else "")
    if text[:end].rstrip("| ")[-1] not in ".!?":
        yield Edit(end, end, ".")


class _Inline:
    """The edits inside lines; knows which lists and table rows HTML has opened."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lists: list[int | None] = []  # the number of the last item, in those that have numbers
        self._cells = 0
        self._fences = _fenced(text)

    def edits(self, start: int = 0, end: int | None = None) -> Iterator[Edit]:
        text = self._text
        for match in _INLINE.finditer(text, start, len(text) if end is None else end):
            if any(low <= match.start() < high for low, high in self._fences):
                continue
            kept = next((name for name in _KEPT if match[name] is not None), None)
            if match["label"] is not None and not re.search(rf"(?m)^\[{re.escape(match['label'] or match['words'])}\]: ", text):
                continue
            if kept is not None:
                yield Edit(match.start(), match.start(kept), "")
                if kept in ("alt", "words", "stressed"):
                    yield from self.edits(*match.span(kept))
                yield Edit(match.end(kept), match.end(), "")
            elif match["gone"] is not None:
                yield Edit(*match.span(), "")
            elif match["entity"] is not None:
                yield Edit(*match.span(), clean_text(unescape(match[0])) or " ")
            elif match["tag"] is not None and _is_tag(text, match):
                newlines, words = self._tag(match)
                yield Edit(*match.span(), newlines)
                if words:
                    yield Edit(match.end(), match.end(), words)

    def _tag(self, match: re.Match[str]) -> tuple[str, str]:
        """The line breaks that a tag stands for, and the words behind them."""
        name, closing = match["tag"].lower(), bool(match["slash"])
        words = ""
        if name in ("ol", "ul"):
            if closing:
                self._lists[-1:] = []
            else:
                self._lists.append(0 if name == "ol" else None)
        elif name == "li" and not closing:
            words = "- "
            if self._lists and (number := self._lists[-1]) is not None:
                self._lists[-1] = number + 1
                words = f"{number + 1}. "
        elif name == "tr":
            self._cells = 0
        elif name in ("td", "th") and not closing:
            words = ", " if self._cells else ""
            self._cells += 1
        elif name == "img" and (described := _ATTRIBUTE.search(match["attributes"])):
            words = clean_text(unescape(described[1] or described[2] or ""))
        return "\n\n" if name in _PARAGRAPH_TAGS else "\n" if name in _LINE_TAGS and not closing else "", words


def _fenced(text: str) -> list[tuple[int, int]]:
    """Where code between fences stands."""
    fences = [match.span() for match in re.finditer(rf"(?m)^{_FENCE.pattern}$", text)]
    closers = [start for start, _ in fences[1::2]] + [len(text)] * (len(fences) % 2)
    return list(zip([end for _, end in fences[::2]], closers, strict=True))


def _is_tag(text: str, match: re.Match[str]) -> bool:
    """Whether what looks like a tag is one: "x<y and y>z" is none."""
    name = match["tag"].lower()
    return name in _TAGS or f"</{name}>" in text.lower()
