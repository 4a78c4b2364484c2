"""The text as it is spoken: cleaned, and whether anything of it can be spoken."""

# ruff: noqa: RUF001 - the marks of other scripts are meant

import re
import unicodedata

ZWNJ, ZWJ = "\u200c", "\u200d"
# A joiner that follows nothing, or a script that is written without joiners (all below U+0600, Latin and Greek extensions).
_STRAY_JOINER = re.compile(r"(?<![\u0600-\u1cff\u2190-\U0010ffff])[\u200c\u200d]|(?<=\s)[\u200c\u200d]")
_SOFT_HYPHEN_WRAP = re.compile(r"\u00ad[^\S\n]*\n[^\S\n]*(?=\S)")
_LINE_END = re.compile(r"\r\n?|[\n\v\f\x85\u2028]")
_BLANK_LINES = re.compile(r"\n\s*\n|\s*\u2029\s*")
_BLANKS = re.compile(r"[^\S\n]+")
# CSS Text, section 4.1.3: a line break between wide characters is nothing, but for Hangul, which has blanks between words.
WIDE = (
    r"\u2e80-\u2fff\u3001-\u312f\u3190-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff9f\U0001b000-\U0001b2ff\U00020000-\U0003ffff"
)
NO_BREAK = re.compile(rf"(?<=[{WIDE}])\n(?=[{WIDE}‘“—…])|(?<=[’”—…])\n(?=[{WIDE}])|(?<=[^\W\d_][-\u2010])\n(?=[^\W\d_])")
"""A line break inside a word, or where a script has no blanks; after a hyphen that stays."""
_REPEATED_SYMBOL = re.compile(r"([^\w\s]|_)\1{3,}")
_HANGUL_FILLERS = "\u115f\u1160\u3164\uffa0"  # letters by category, but blank


def clean_text(text: str) -> str:
    """Bring ``text`` into the form that is worked with: idempotent, and blank if nothing is left.

    NFC (not NFKC: that would turn CJK punctuation, which the model knows, into ASCII). Control and format characters go, soft
    hyphens and direction marks among them; the joiners ZWJ and ZWNJ stay where they shape a script (Persian, Indic) or emoji.
    Lines stay, without the white space around them, and with one empty line at most in between; inside a line every run of
    white space becomes one space. More than three of the same symbol in a row become three, because F5 gives every byte its
    time: a ruled line would be seconds of noise. Lone surrogates are the caller's to refuse.
    """
    text = _SOFT_HYPHEN_WRAP.sub("", _LINE_END.sub("\n", text))
    junk = {c for c in set(text) if unicodedata.category(c) in ("Cc", "Cf") and not c.isspace() and c not in (ZWNJ, ZWJ)}
    if junk:
        text = text.translate({ord(c): None for c in junk})
    text = unicodedata.normalize("NFC", _STRAY_JOINER.sub("", text))
    text = "\n".join(_BLANKS.sub(" ", line).strip() for line in _BLANK_LINES.sub("\n\n", text).split("\n")).strip()
    return _REPEATED_SYMBOL.sub(r"\1\1\1", _BLANK_LINES.sub("\n\n", text))


def in_one_line(text: str) -> str:
    """``text`` with its line breaks as the blanks that they stand for, or as nothing (``NO_BREAK``)."""
    return " ".join(NO_BREAK.sub("", text).split())


def is_speakable(text: str) -> bool:
    """Whether ``text`` has a letter or a digit, in any script."""
    return any(c.isalnum() and c not in _HANGUL_FILLERS for c in text)
