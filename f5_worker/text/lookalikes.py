"""Other ways to write a character, for models that lack it: the nearest first."""

# ruff: noqa: RUF001 - the marks of other scripts are meant

import re
import unicodedata
from collections.abc import Iterator

# Marks whose plain form Unicode does not know.
_PLAIN = {
    mark: plain
    for marks, plain in (
        ("‘’‚‛‹›′‵ʹʻʼʽˈ׳ʾʿ", "'"),
        ("“”„‟«»″‶״「」『』《》〈〉〝〞〟", '"'),
        ("‐‑‒–—―−⸺⸻־~〜", "-"),
        ("。｡।॥۔։።᙮", "."),
        ("、，،፣՝", ","),
        ("；؛፤⁏", ","),
        ("：∶׃፡", ":"),
        ("？؟՞⸮‽", "?"),
        ("！՜", "!"),
        ("〔【〖", "("),
        ("〕】〗", ")"),
        ("⁄∕", "/"),
        ("×✕✖", "x"),
        ("・･‧·", " "),
        ("〇", "零"),
    )
    for mark in marks
}
_LATIN = re.compile(
    r"(?:NEGATIVE |CROSSED )*(?:SQUARED |CIRCLED )?LATIN (?:(CAPITAL|SMALL) )?LETTER (?:SMALL CAPITAL )?([A-Z]{1,2})"
    r"(?: WITH .*)?"
)


def lookalikes(character: str) -> Iterator[str]:
    """Texts that ``character`` may be read as; none where nothing is like it."""
    if character in _PLAIN:
        yield _PLAIN[character]
    compatible = unicodedata.normalize("NFKC", character)
    if compatible != character:
        yield compatible.strip()
    if (number := unicodedata.numeric(character, None)) is not None and number.is_integer() and not character.isalpha():
        yield str(int(number))
    decomposed = unicodedata.normalize("NFD", character)
    if all(map(unicodedata.combining, decomposed[1:])):
        for kept in range(len(decomposed) - 1, 0, -1):
            yield unicodedata.normalize("NFC", decomposed[:kept])
    if latin := _LATIN.fullmatch(unicodedata.name(character, "")):
        case, letters = latin.groups()
        yield letters if case == "CAPITAL" else letters.lower()
    for other in (character.lower(), character.upper(), character.casefold()):
        if other != character:
            yield other
