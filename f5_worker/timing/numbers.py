"""Numbers in figures as the words that English speakers say: every usual way, since only the sound knows which it was."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_ONES += ["eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_ORDINALS |= {"twelve": "twelfth"}
_MOST_FIGURES = 15  # longer ones are nothing that people say but figure by figure

FIGURES = r"\d[\d,]*(?:\.\d+)?(?:st|nd|rd|th|s(?![a-z]))?"
"""One number in figures, in lower case: 1,250, 0.4, 2nd, 1990s."""


def cardinal(number: int, *, with_and: bool = False) -> list[str]:
    """``number``, from 0 on, in words; ``with_and``: "one hundred and five"."""
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        return [_TENS[number // 10], *([_ONES[number % 10]] if number % 10 else [])]
    value, name = next(scale for scale in _SCALES if number >= scale[0])
    rest = number % value
    joint = ["and"] if with_and and 0 < rest < 100 else []
    return [*cardinal(number // value, with_and=with_and), name, *joint, *(cardinal(rest, with_and=with_and) if rest else [])]


def ordinal(words: Sequence[str]) -> list[str]:
    """The ordinal of a cardinal's words."""
    last = words[-1]
    changed = _ORDINALS.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return [*words[:-1], changed]


def plural(words: Sequence[str]) -> list[str]:
    """ "The nineties" of "ninety"."""
    last = words[-1]
    return [*words[:-1], f"{last[:-1]}ies" if last.endswith("y") else f"{last}es" if last.endswith("x") else f"{last}s"]


def numbers(figures: str) -> list[list[str]]:
    """The ways to say ``figures`` (a match of ``FIGURES``), the usual one first."""
    match = re.fullmatch(r"([\d,]*?\d)(?:\.(\d+))?,*(st|nd|rd|th|s)?", figures)
    if match is None or len(figures) > _MOST_FIGURES:
        return [digits(figures)]
    whole, fraction, ending = match[1].replace(",", ""), match[2], match[3]
    if fraction is not None:
        found = [[*way, "point", *digits(fraction)] for way in _wholes(whole)[:2]]
        if whole == "0":
            found += [["point", *digits(fraction)], ["oh", "point", *digits(fraction)]]
        if len(fraction) > 1 and fraction[0] != "0":
            found.append([*cardinal(int(whole)), "point", *cardinal(int(fraction))])
        if fraction.rstrip("0") != fraction and fraction.strip("0"):
            found.append([*cardinal(int(whole)), "point", *digits(fraction.rstrip("0"))])
        return _different(found)
    ways = _wholes(whole)
    change: Callable[[Sequence[str]], list[str]] | None = {"s": plural, None: None}.get(ending, ordinal)
    return _different(ways if change is None else map(change, ways))


def clock(hours: str, minutes: str) -> list[list[str]]:
    """The ways to say a time of day: 10:30, 3:05, 12:00."""
    hour, minute = cardinal(int(hours)), int(minutes)
    if minute == 0:
        return [[*hour, "o'clock"], hour, [*hour, "hundred"], [*hour, "hundred", "hours"], [*hour, "zero", "zero"]]
    if minute < 10:
        return [[*hour, "oh", *cardinal(minute)], [*hour, "zero", *cardinal(minute)], [*hour, *cardinal(minute)]]
    return [[*hour, *cardinal(minute)]]


def digits(figures: str) -> list[str]:
    """Figure by figure."""
    return [_ONES[int(figure)] for figure in figures if figure in "0123456789"]


def _wholes(figures: str) -> list[list[str]]:
    number = int(figures)
    found = [cardinal(number), cardinal(number, with_and=True)] if figures[0] != "0" else []
    if len(figures) == 4 and figures[0] != "0":
        found += _pairs(int(figures[:2]), int(figures[2:]))
    if len(figures) == 3 and figures[0] != "0":
        head, tail = int(figures[0]), int(figures[1:])
        found.append([*cardinal(head), *(["oh"] if 0 < tail < 10 else []), *cardinal(tail)])
    if number < 10 and figures[0] == "0":
        found.append(cardinal(number))
    single = digits(figures)
    found += [single, ["oh" if word == "zero" else word for word in single]]
    if len(figures) > 4 and len(figures) % 2 == 0 and len(figures) <= 8:
        found.append(list(chain.from_iterable(cardinal(int(figures[at : at + 2])) for at in range(0, len(figures), 2))))
    return _different(found)


def _pairs(head: int, tail: int) -> Iterator[list[str]]:
    """Years, and hundreds: nineteen eighty-four, nineteen oh five, nineteen hundred (and) five."""
    first = cardinal(head)
    if tail:
        yield [*first, *(["oh"] if tail < 10 else []), *cardinal(tail)]
        yield [*first, "hundred", *cardinal(tail)]
        yield [*first, "hundred", "and", *cardinal(tail)]
    else:
        yield [*first, "hundred"]


def _different(ways: "Iterator[list[str]] | Sequence[list[str]] | map[list[str]]") -> list[list[str]]:
    return [list(way) for way in dict.fromkeys(map(tuple, ways))]
