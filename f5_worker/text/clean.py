"""The text as it is spoken: cleaned, and whether anything of it can be spoken."""

import re
import unicodedata

ZWNJ, ZWJ = "\u200c", "\u200d"
# A joiner that follows nothing, or a script that is written without joiners (all below U+0600, Latin and Greek extensions).
_STRAY_JOINER = re.compile(r"(?<![\u0600-\u1cff\u2190-\U0010ffff])[\u200c\u200d]|(?<=\s)[\u200c\u200d]")
_WHITE_SPACE = re.compile(r"\s+")
_REPEATED_SYMBOL = re.compile(r"([^\w\s]|_)\1{3,}")
_HANGUL_FILLERS = "\u115f\u1160\u3164\uffa0"  # letters by category, but blank


def clean_text(text: str) -> str:
    """Bring ``text`` into the form that is spoken: idempotent, and blank if nothing is left.

    NFC (not NFKC: that would turn CJK punctuation, which the model knows, into ASCII). Control and format characters go, soft
    hyphens and direction marks among them; the joiners ZWJ and ZWNJ stay where they shape a script (Persian, Indic) or emoji.
    Every run of white space becomes one space. More than three of the same symbol in a row become three, because F5 gives every
    byte its time: a ruled line would be seconds of noise. Lone surrogates are the caller's to refuse.
    """
    junk = {c for c in set(text) if unicodedata.category(c) in ("Cc", "Cf") and not c.isspace() and c not in (ZWNJ, ZWJ)}
    if junk:
        text = text.translate({ord(c): None for c in junk})
    text = unicodedata.normalize("NFC", _STRAY_JOINER.sub("", text))
    text = _WHITE_SPACE.sub(" ", text).strip()
    return _REPEATED_SYMBOL.sub(r"\1\1\1", text)


def is_speakable(text: str) -> bool:
    """Whether ``text`` has a letter or a digit, in any script."""
    return any(c.isalnum() and c not in _HANGUL_FILLERS for c in text)
