"""Numbers as English words, in the style of wetext: "one hundred and twenty three", "nineteen oh five", "twenty first"."""

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ("", " thousand", " million", " billion", " trillion")
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
    **{ten: f"{ten[:-1]}ieth" for ten in _TENS[2:]},
}
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50}
_ROMAN_ONES = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
_ROMAN_TENS = ("", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX")
MOST_DIGITS = 3 * len(_SCALES)  # longer ones are read digit by digit


def digits(number: str) -> str:
    """Each digit by itself; whatever else is in ``number`` is passed over."""
    return " ".join(_ONES[int(c)] for c in number if c in "0123456789")


def cardinal(number: int) -> str:
    """``number``, which is not negative, as words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return f"{_TENS[number // 10]} {_ONES[number % 10]}" if number % 10 else _TENS[number // 10]
    if number < 1000:
        rest = f" and {cardinal(number % 100)}" if number % 100 else ""
        return f"{_ONES[number // 100]} hundred{rest}"
    if number >= 10**MOST_DIGITS:
        return digits(str(number))
    parts = []
    for power in range(len(_SCALES) - 1, -1, -1):
        if group := number // 1000**power % 1000:
            parts.append(("and " if power == 0 and group < 100 else "") + cardinal(group) + _SCALES[power])
    return " ".join(parts)


def decimal(number: str) -> str:
    """``number`` as it is written, with commas between thousands and a point: "1,200.05", ".5", "007"."""
    whole, point, fraction = number.replace(",", "").partition(".")
    if len(whole) > MOST_DIGITS or (len(whole) > 1 and whole[0] == "0"):
        words = digits(whole)
    else:
        words = cardinal(int(whole)) if whole else ""
    return f"{words} point {digits(fraction)}".strip() if point and fraction else words


def ordinal(number: int) -> str:
    """The ``number``-th."""
    *start, last = cardinal(number).split(" ")
    return " ".join([*start, _ORDINALS.get(last, last.removesuffix("t") + "th")])


def plural(words: str) -> str:
    """The plural of a number: nineties, tenths, two thousands."""
    return words[:-1] + "ies" if words.endswith("y") else words + ("es" if words.endswith("x") else "s")


def year(number: int) -> str:
    """``number`` as a year is read: "nineteen oh five", "two thousand and nine", "twenty twenty four"."""
    high, low = divmod(number, 100)
    if number < 1000 or number > 9999 or (high % 10 == 0 and low < 10):
        return cardinal(number)
    return f"{cardinal(high)} {_pair(low)}" if low else f"{cardinal(high)} hundred"


def label(number: str) -> str:
    """``number`` as part of a name (A380, Boeing 747, RTX 4090): in pairs of digits, long ones digit by digit."""
    if number[0] == "0" or len(number) > 4:
        return digits(number)
    if len(number) == 3 and number[1:] != "00":
        return f"{_ONES[int(number[0])]} {_pair(int(number[1:]))}"
    return year(int(number)) if len(number) == 4 else cardinal(int(number))


def roman(numeral: str) -> int:
    """The value of a Roman numeral up to LXXXIX, 0 if it is none in its usual form."""
    values = [_ROMAN.get(c, 0) for c in numeral]
    value = sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))
    return value if 0 < value < 90 and _ROMAN_TENS[value // 10] + _ROMAN_ONES[value % 10] == numeral else 0


def _pair(number: int) -> str:
    return f"oh {_ONES[number]}" if number < 10 else cardinal(number)
