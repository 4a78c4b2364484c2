"""What a model can read: symbols that it lacks are folded into those that it has, left out, or named."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from f5_worker.errors import InputError
from f5_worker.text.lookalikes import lookalikes
from f5_worker.text.reading import Edit, Reading

_SHOWN = 5  # symbols in a message
_MOST_UNKNOWN = 0.5  # of the letters
_UNSPOKEN_CATEGORIES = ("So", "Sk", "Co", "Cf", "Cc", "Me", "Pd", "Pc", "Ps", "Pe", "Pi", "Pf", "Po", "Zs", "Zl", "Zp")
_UNSPOKEN = re.compile(r"[|\u115f\u1160\u2190-\u21ff\u2300-\u2bff\u3164\uffa0\ufffc]")  # arrows, shapes, blank letters
_JOINING = ("Cf", "Mn", "Me")
_TONES = "14235"
_FREE_BEFORE = ".,!?;:)]}'\"%…"


class Vocabulary:
    """The symbols of one model. Thread-safe; what was found out about a character is kept.

    Args:
        tokenize: f5-tts's ``convert_char_to_pinyin``.
        symbols: the model's vocabulary.
    """

    def __init__(self, tokenize: Callable[[list[str]], list[list[str]]], symbols: Mapping[str, int]) -> None:
        self._tokenize, self._symbols = tokenize, symbols
        self._known: dict[str, bool] = {}
        self._folded: dict[str, str | None] = {}

    def tokens(self, text: str) -> list[str]:
        """The model's symbols for ``text``, as f5-tts finds them, but in another tone where a syllable has only that one."""
        return [token if token in self._symbols else self._other_tone(token) for token in self._tokenize([text])[0]]

    def check(self, readings: Sequence[Reading], field: str) -> tuple[list[Reading], list[str]]:
        """The readings in the model's symbols, and warnings that name what is left out because it has no symbol.

        Folded is only what the model lacks. What nobody pronounces is left out without a word.

        Raises:
            InputError: the model lacks most of the letters.
        """
        read, unknown = [], Counter[str]()
        for reading in readings:
            edits = list(self._edits(reading.spoken, unknown))
            read.append(reading.then(edits) if edits else reading)
        if not unknown:
            return read, []
        letters = sum(_is_letter(character) for reading in readings for character in reading.spoken)
        lost = Counter({character: count for character, count in unknown.items() if _is_letter(character)})
        if lost.total() > _MOST_UNKNOWN * letters:
            raise InputError(
                f"The loaded model cannot read {field}: it has no symbols for {lost.total():,} of {letters:,} letters "
                f"({_script(lost)}: {_named(lost)}). Send it in a language that the model knows, or load a checkpoint for this "
                "one: set F5TTS_MODEL, or F5TTS_CKPT_FILE and F5TTS_VOCAB_FILE, on the endpoint.",
                field=field,
                unknown_letters=lost.total(),
                letters=letters,
            )
        return read, [f"Left out of {field}, because the model has no symbols for them: {_named(unknown)}."]

    def _edits(self, text: str, unknown: Counter[str]) -> Iterator[Edit]:
        """What must be changed in ``text``; counts what is ``unknown``."""
        lacking = {character for character in set(text) if not character.isspace() and not self._knows(character)}
        if not lacking:
            return
        spoken = [self._fold(character) if character in lacking else character for character in text]
        unknown.update(character for character, folded in zip(text, spoken, strict=True) if folded is None)
        at = 0
        while at < len(text):
            if spoken[at]:
                if text[at] in lacking:
                    yield Edit(at, at + 1, _apart(text, at, str(spoken[at])))
                at += 1
                continue
            start, end = at, at + 1
            at = end
            while at < len(text) and (not spoken[at] or text[at].isspace()):
                at += 1
                end = at if not text[at - 1].isspace() else end
            yield from _left_out(text, start, end)

    def _knows(self, character: str) -> bool:
        if character not in self._known:
            self._known[character] = all(token in self._symbols for token in self.tokens(character))
        return self._known[character]

    def _fold(self, character: str) -> str | None:
        """What is read in place of a character that the model lacks: nothing, or ``None`` if it cannot but would have to."""
        if character not in self._folded:
            folded = self._lookalike(character, {character})
            self._folded[character] = "" if folded is None and _is_unspoken(character) else folded
        return self._folded[character]

    def _lookalike(self, character: str, tried: set[str]) -> str | None:
        """``character`` in the model's symbols, by way of others that were not ``tried`` yet."""
        if character.isspace() or self._knows(character):
            return character
        for other in lookalikes(character):
            if not tried & set(other):
                parts = [self._lookalike(part, tried | set(other)) for part in other]
                if None not in parts:
                    return "".join(map(str, parts))
        return None

    def _other_tone(self, token: str) -> str:
        syllable = token.rstrip("12345")
        if len(token) < 2 or not (syllable.isascii() and syllable.isalpha()):
            return token
        return next((syllable + tone for tone in _TONES if syllable + tone in self._symbols), token)


def _is_letter(character: str) -> bool:
    return character.isalpha() or (unicodedata.category(character) in ("Mc", "Mn") and not _is_accent(character))


def _is_accent(character: str) -> bool:
    """Whether a mark only shapes or stresses a letter; those of Indic scripts are vowels."""
    return character < "\u0900" or unicodedata.name(character, "").startswith(("COMBINING", "VARIATION"))


def _is_unspoken(character: str) -> bool:
    category = unicodedata.category(character)
    if category == "Mn":
        return _is_accent(character)
    return category in _UNSPOKEN_CATEGORIES or _UNSPOKEN.match(character) is not None


def _apart(text: str, at: int, folded: str) -> str:
    """A folded character, kept from joining a number beside it (10² is not 102), or a dash from joining words."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if folded == "-" and text[at] in "—―⸺" and before.isalnum() and after.isalnum():
        return " - "
    if unicodedata.category(text[at]) == "No":
        return f"{' ' * before.isnumeric()}{folded}{' ' * after.isdecimal()}"
    return folded


def _left_out(text: str, start: int, end: int) -> Iterator[Edit]:
    """``text[start:end]`` goes, with the white space that would be too much then."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if not before and after.isspace():
        end += 1
    elif before.isspace() and (not after or after.isspace() or after in _FREE_BEFORE):
        start -= 1
    yield Edit(start, end, "")
    if before.isalnum() and after.isalnum() and any(unicodedata.category(c) not in _JOINING for c in text[start:end]):
        yield Edit(end, end, " ")


def _named(unknown: Counter[str]) -> str:
    """The most frequent characters, and how many all are."""
    shown = [f'{count:,} "{character}"' for character, count in unknown.most_common(_SHOWN)]
    more = unknown.total() - sum(count for _, count in unknown.most_common(_SHOWN))
    return ", ".join(shown) + (f" and {more:,} more, {unknown.total():,} in all" if more else "")


def _script(letters: Iterable[str]) -> str:
    name = unicodedata.name(next(iter(letters)), "unknown").split()[0]
    return {"CJK": "Chinese"}.get(name, name.title())
