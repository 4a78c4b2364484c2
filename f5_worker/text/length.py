"""How long a text takes to speak, beside another one: F5's count of UTF-8 bytes, but fair between scripts."""

# ruff: noqa: RUF001 - the quotes are meant

from bisect import bisect_right

# What f5-tts (convert_char_to_pinyin) replaces before it looks symbols up: the model is given the same.
_SAME_TOKENS = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", ";": ","})

# Where a script begins in Unicode, and what one of its bytes is worth, in sixtieths of a Latin letter at the same rate of
# speech. In an alphabet a letter is worth a Latin one, blanks included (five letters a word: 6 in 11 for letters of two bytes,
# 6 in 16 for three); consonants that carry unwritten vowels are worth more, signs of syllables what three Latin letters are.
_BYTE_WORTH = (
    (0x0000, 60),  # Latin
    (0x0370, 33),  # Greek, Cyrillic, Armenian
    (0x0590, 45),  # Hebrew, Arabic, Syriac
    (0x0900, 23),  # Indic scripts, Thai, Tibetan, Burmese, Georgian
    (0x1100, 50),  # Hangul jamo, Ethiopic
    (0x1680, 23),  # Khmer, Mongolian
    (0x1D00, 60),  # Latin extensions
    (0x1F00, 33),  # Greek with accents
    (0x2000, 60),  # symbols, and the signs of China and Japan
    (0xA4D0, 23),
    (0xAC00, 50),  # Hangul
    (0xF900, 60),
)
_STARTS = [start for start, _ in _BYTE_WORTH]


def speech_units(text: str) -> int:
    """The length of ``text`` as speech, in sixtieths of a Latin letter.

    Within one script it is proportional to the UTF-8 bytes of what the model is given, as F5's duration rule wants it
    (``infer_batch_process``); a symbol counts like a byte of the script before it, or behind it at the start. It grows with the
    text.
    """
    units = pending = 0
    worth = None
    for character in text.translate(_SAME_TOKENS):
        size = len(character.encode())
        if character.isalpha():
            worth = _BYTE_WORTH[bisect_right(_STARTS, ord(character)) - 1][1]
            size, pending = size + pending, 0
        if worth is None:
            pending += size
        else:
            units += size * worth
    return units + pending * min(worth for _, worth in _BYTE_WORTH)


def spoken_bytes(text: str) -> int:
    """UTF-8 bytes of what the model is given for ``text``."""
    return len(text.translate(_SAME_TOKENS).encode())
