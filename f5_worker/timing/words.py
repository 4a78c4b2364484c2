"""The words of a text as they are counted, and what is spoken for each."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from f5_worker.text.reading import Reading

# Scripts without white space between words: each character, with its marks and the punctuation around it, counts as a word.
_UNSPACED = (
    r"\u2e80-\u2fdf\u3005-\u3007\u3021-\u30fa\u30fc-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\uff66-\uff9f\U00020000-\U0003ffff"
)
_TALL = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer: vowels before and marks after their consonant
_MARK = (
    r"\u0300-\u036f\u0e31\u0e33-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb3-\u0ebc\u0ec8-\u0ece"
    r"\u102b-\u103e\u1056-\u1059\u17b4-\u17d3\u3099\u309a\u30fc"
)
_LEADING = r"\u0e40-\u0e44\u0ec0-\u0ec4"
_SMALL = r"ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮー"
_ENTRY = re.compile(
    rf"[{_LEADING}]*(?:[{_UNSPACED}{_TALL}][{_MARK}{_SMALL}\ufe00-\ufe0f\U000e0100-\U000e01ef]*|[^\s{_UNSPACED}{_TALL}]+)"
)
_RUN = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Word:
    """``text`` as it was sent, which stands at ``start`` of its chunk; ``spoken`` in its place, which may be nothing.

    ``joined``: it follows the word before without white space, as in scripts that have none.
    """

    text: str
    start: int
    spoken: str
    joined: bool = False

    @property
    def sounds(self) -> bool:
        """Whether there is anything to be heard of it: a letter or a digit."""
        return any(character.isalnum() for character in self.spoken)

    @property
    def letters(self) -> int:
        """How many letters and digits are spoken, at least one."""
        return max(1, sum(character.isalnum() for character in self.spoken))


def words_of(reading: Reading) -> list[Word]:
    """The words of ``reading.text``, in order: what white space separates; of scripts without it, each character."""
    text = reading.text
    spans = [(run.start() + low, run.start() + high) for run in _RUN.finditer(text) for low, high in _entries(run[0])]
    spoken: list[str] = []
    for group in _groups(reading, spans):
        said = reading.spoken_of(group[0][0], group[-1][1]).strip()
        spoken += [said] if len(group) == 1 else _shared_out(said, [text[low:high] for low, high in group])
    ends = [0, *(end for _, end in spans)]
    return [
        Word(text[start:end], start, said, joined=number > 0 and ends[number] == start)
        for number, ((start, end), said) in enumerate(zip(spans, spoken, strict=True))
    ]


def _entries(run: str) -> Iterator[tuple[int, int]]:
    """Of what white space surrounds; punctuation goes with the character before it, or else with the one after."""
    found = [match.span() for match in _ENTRY.finditer(run)]
    if len(found) < 2:
        yield 0, len(run)
        return
    held: tuple[int, int] | None = None
    for start, end in found:
        sounds = any(character.isalnum() for character in run[start:end])
        if held is None:
            held = (start, end)
        elif not sounds or not any(character.isalnum() for character in run[slice(*held)]):
            held = (held[0], end)
        else:
            yield held
            held = (start, end)
    if held is not None:
        yield held[0], len(run)


def _groups(reading: Reading, spans: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Words that no edit connects stand alone."""
    group: list[tuple[int, int]] = []
    for span in spans:
        if group and reading.may_cut(span[0]) and reading.may_cut(group[-1][1]):
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def _shared_out(spoken: str, written: Sequence[str]) -> list[str]:
    """What is spoken for several words together, given to each: equal words to themselves, the rest as many as it needs."""
    said = spoken.split()
    matcher = SequenceMatcher(a=[*map(_bare, written)], b=[*map(_bare, said)], autojunk=False)
    parts: list[list[str]] = [[] for _ in written]
    at = found = 0
    for low, high, size in matcher.get_matching_blocks():
        needs = [_need(word) for word in written[at:low]]
        for number, word in enumerate(said[found:high]):
            share = (number + 0.5) / (high - found) * sum(needs)
            place = next((place for place in range(len(needs)) if share < sum(needs[: place + 1])), len(needs) - 1)
            parts[max(0, at + place)].append(word)
        for step in range(size):
            parts[low + step].append(said[high + step])
        at, found = low + size, high + size
    return [" ".join(part) for part in parts]


def _bare(word: str) -> str:
    return re.sub(r"\W", "", word).casefold()


def _need(word: str) -> float:
    """About how many words are spoken for a written one: figures take more."""
    return max(1.0, 0.5 * sum(character.isdigit() for character in word))
