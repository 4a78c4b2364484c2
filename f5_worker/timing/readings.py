"""How English speakers may read a written word: all usual ways, as plain words; ``single letters`` end in a dot ("u.")."""

# ruff: noqa: RUF001 - quotes and signs of all kinds are meant

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, product

from f5_worker.timing.numbers import FIGURES, cardinal, clock, numbers, ordinal, plural

Reading = tuple[str, ...]

MOST_READINGS = 24
_MOST_NUMBERS = 3  # ways of each number where a word has several


def _table(text: str) -> Mapping[str, list[list[str]]]:
    """``name: reading | reading; ...``, each reading as its words."""
    rows = (row.rpartition(": ") for row in " ".join(text.split()).split("; "))
    return {name: [way.split() for way in ways.split(" | ")] for name, _, ways in rows}


_ABBREVIATIONS = _table("""
    mr: mister; mrs: missus; ms: miz; dr: doctor | drive; st: saint | street; prof: professor; vs: versus; etc: et cetera;
    jr: junior; sr: senior; no: number; nos: numbers; gen: general; col: colonel; lt: lieutenant; sgt: sergeant; capt:
    captain; rev: reverend; hon: honorable; gov: governor; sen: senator; rep: representative; pres: president; ave:
    avenue; rd: road; blvd: boulevard; mt: mount; ft: fort | feet | foot; inc: incorporated; ltd: limited; co: company;
    corp: corporation; dept: department; est: established | estimated; approx: approximately; vol: volume; fig: figure;
    figs: figures; min: minutes | minute; max: maximum; sec: seconds | second; hr: hour | hours; jan: january; feb:
    february; mar: march; apr: april; aug: august; sept: september; p: page; sep: september; oct: october; nov: november;
    dec: december; mon: monday; tue: tuesday; wed: wednesday; thu: thursday; fri: friday; sat: saturday; sun: sunday; pp:
    pages; oz: ounces; lb: pounds | pound; lbs: pounds; messrs: messers; al: al; i.e: that is; e.g: for example
""")
_UNITS = _table("""
    %: percent | per cent; km: kilometers | kilometer; cm: centimeters | centimeter; mm: millimeters | millimeter; m:
    meters | meter | million; kg: kilograms | kilogram; g: grams | gram; mg: milligrams | milligram; lb: pounds | pound;
    lbs: pounds; oz: ounces | ounce; ft: feet | foot; in: inches | inch; mi: miles | mile; h: hours | hour; hr: hours |
    hour; hrs: hours; min: minutes | minute; mins: minutes; s: seconds | second; sec: seconds | second; ms: milliseconds |
    millisecond; l: liters | liter; ml: milliliters | milliliter; kb: kilobytes | kilobyte; mb: megabytes | megabyte; gb:
    gigabytes | gigabyte; tb: terabytes | terabyte; hz: hertz; khz: kilohertz; mhz: megahertz; ghz: gigahertz; w: watts |
    watt; kw: kilowatts | kilowatt; mph: miles per hour; km/h: kilometers per hour | kilometers an hour; kmh: kilometers
    per hour; v: volts | volt; °: degrees | degree; °c: degrees celsius | degree celsius; °f: degrees fahrenheit | degree
    fahrenheit; k: thousand; bn: billion; b: billion; x: times; px: pixels; ': feet | foot; ": inches | inch
""")
_MONEY: Mapping[str, tuple[str, str, str]] = {
    "$": ("dollar", "dollars", "cents"),
    "£": ("pound", "pounds", "pence"),
    "€": ("euro", "euros", "cents"),
    "¥": ("yen", "yen", "sen"),
}
_SCALES = {"k": "thousand", "m": "million", "mn": "million", "bn": "billion", "b": "billion", "t": "trillion", "tn": "trillion"}
# fmt: off
_SYMBOLS: Mapping[str, str] = {
    "&": "and|ampersand", "@": "at", "+": "plus", "=": "equals|equal", "/": "|slash|or|per", "#": "number|hash|hashtag",
    "~": "about|", "%": "percent", "°": "degrees", "*": "|times|star", "_": "|underscore", "×": "times|by",
    "÷": "divided by", "§": "section", "^": "|to the", "<": "|less than", ">": "|greater than", "|": "",
    "\\": "|backslash", "™": "|trademark", "©": "|copyright", "½": "a half|one half|and a half",
    "¼": "a quarter|one quarter|and a quarter", "¾": "three quarters|and three quarters",
}
# fmt: on
_FRACTIONS = {2: "half", 4: "quarter"}
_ROMAN = re.compile(r"(?=[IVX]{2})X{0,3}(?:IX|IV|V?I{0,3})")
_VALUES = {"I": 1, "V": 5, "X": 10}
_OUTER = ".,;:!?\"()[]{}“”„‘’…«»‹›¿¡—–-*_~|<>'`"
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ′", "'") | {"–": "-", "—": "-", "−": "-", "‑": "-"})
_AMOUNT = re.compile(
    r"(?P<sign>[$£€¥])?(?P<whole>\d[\d,]*)(?:\.(?P<fraction>\d+))?-?(?P<scale>[a-z]*)\.?(?P<after>(?(sign)|[$£€¥]))"
)
_PART = re.compile(rf"[$£€¥]|\d+:\d\d(?!\d)|{FIGURES}|[a-z]+(?:'[a-z]+)*'?|\.(?=[a-z\d])|-(?=\d)|°[cf]?|[^\w\s]|\w")


def readings(word: str, known: Callable[[str], bool]) -> list[Reading]:
    """The ways to read ``word``, the likely ones first, at most ``MOST_READINGS``; none where it has nothing to be said.

    Args:
        word: as written, with its punctuation; of several words, separated by white space, each is read.
        known: whether the dictionary has a plain word, in lower case.
    """
    parts = [ways for part in word.split() if (ways := _readings(part, known))]
    return _different(chain.from_iterable(way) for way in product(*parts)) if parts else []


def _readings(written: str, known: Callable[[str], bool]) -> list[Reading]:
    text = _plain(written)
    core = text.strip(_OUTER)
    word = core.lower()
    if not any(character.isalnum() for character in word) and not set(text) & _SYMBOLS.keys():
        return []
    found: list[Sequence[str]] = []
    if "." in text[text.find(core) + len(core) :] or "." in word:
        found += _ABBREVIATIONS.get(word, [])
    if re.fullmatch(r"(?:[a-z]\.)+[a-z]?(?:'?s)?", word):
        letters = re.sub(r"'?s$", "", word) if len(word.replace(".", "")) > 2 and not word.endswith(".s") else word
        found.append(_spelled(letters))
        return _different([*found, [*_spelled(word)]])
    if known(word):
        found.append([word])
        if core.isupper() and 1 < len(core) <= 6:
            found.append(_spelled(word))
        if word in _UNITS and len(word) > 1:
            found += _UNITS[word]
        if _ROMAN.fullmatch(core):
            found += _roman(core)
        return _different(found)
    if _ROMAN.fullmatch(core):
        found += _roman(core)
    found += _composed(text, known)
    return _different(found)


def _composed(text: str, known: Callable[[str], bool]) -> Iterator[Sequence[str]]:
    """The readings of a word of several parts: figures, units, symbols, joined words."""
    stripped = text.strip("\"“”„‘’'…«»()[]{},;:!?*_`").rstrip(".")
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stripped)  # camel case
    if match := _AMOUNT.fullmatch(stripped.lower()):
        yield from _money(match["sign"] or match["after"], match["whole"], match["fraction"], match["scale"])
    if match := re.fullmatch(r"(\d{1,3})/(\d{1,3})", stripped):
        yield from _fraction(int(match[1]), int(match[2]))
    options: list[Sequence[Sequence[str]]] = []
    pieces = [piece for run in spaced.split() for piece in _pieces(run)]
    for at, piece in enumerate(pieces):
        low, before = piece.lower(), pieces[at - 1].lower() if at else ""
        after_figure = before[:1].isdigit()
        if low in _UNITS and after_figure:
            options.append([*_UNITS[low], *(_letters(piece, known) if low.isalpha() else [])])
        elif match := re.fullmatch(r"(\d+):(\d\d)", low):
            options.append([*clock(match[1][:4], match[2]), [*chain(*map(cardinal, map(int, match.groups())))]])
        elif low[0].isdigit():
            options.append([*numbers(low)][: _MOST_NUMBERS if len(pieces) > 2 else None])
        elif low == ".":
            options.append([["dot"], ["point"], []])
        elif low == "-" and after_figure:
            options.append([["to"], [], ["dash"], ["minus"]])
        elif low == "-":
            options.append([["minus"], []] if at == 0 else [[]])
        elif low in _SYMBOLS:
            options.append([way.split() for way in _SYMBOLS[low].split("|")])
        elif low[0].isalpha():
            options.append(_letters(piece, known))
    yield from islice((list(chain.from_iterable(way)) for way in product(*options)), 4 * MOST_READINGS)


def _pieces(run: str) -> list[str]:
    """The parts of a run in their own case."""
    return [run[match.start() : match.end()] for match in _PART.finditer(run.lower())]


def _letters(piece: str, known: Callable[[str], bool]) -> list[Sequence[str]]:
    low = piece.lower().strip("'")
    if not low:
        return [[]]
    word: list[Sequence[str]] = [[low]]
    spelled: list[Sequence[str]] = [_spelled(low)]
    if low == "www":
        return [["w.", "w.", "w."], ["triple", "w."]]
    if not known(low) and len(low) <= 5 and (piece.isupper() or not set(low) & set("aeiouy")):
        return spelled + word
    return word + spelled if piece.isupper() and 1 < len(low) <= 6 else word


def _money(sign: str, whole: str, fraction: str | None, scale: str) -> Iterator[Sequence[str]]:
    one, many, small = _MONEY[sign]
    amounts = numbers(whole)
    if scale:
        names = [_SCALES.get(scale, scale)]
        exact = numbers(f"{whole}.{fraction}") if fraction else amounts
        yield from ([*amount, *names, unit] for amount in exact[:3] for unit in (many, one))
        return
    if fraction and fraction.strip("0"):
        cents = cardinal(int(fraction[:2].ljust(2, "0")))
        for unit in (many, one):
            for amount in amounts[:2]:
                yield from ([*amount, unit, *cents], [*amount, unit, "and", *cents, small], [*amount, unit, *cents, small])
        yield from ([*amounts[0], *cents], [*amounts[0], "and", *cents])
        yield from ([*amount, unit] for amount in numbers(f"{whole}.{fraction}")[:4] for unit in (many, one))
        yield from ([one, *amount] for amount in numbers(f"{whole}.{fraction}")[:2])
        return
    yield from ([*amount, unit] for amount in amounts for unit in (many, one))
    yield from ([one, *amount] for amount in amounts[:4])


def _fraction(over: int, under: int) -> Iterator[Sequence[str]]:
    if under > 1:
        name = [_FRACTIONS[under]] if under in _FRACTIONS else ordinal(cardinal(under))
        yield [*cardinal(over), *(name if over == 1 else ["halves"] if under == 2 else plural(name))]
        if over == 1:
            yield ["a", *name]
    yield [*cardinal(over), "over", *cardinal(under)]


def _roman(numeral: str) -> Iterator[Sequence[str]]:
    values = [_VALUES[letter] for letter in numeral]
    number = cardinal(sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True)))
    yield from (number, ordinal(number), ["the", *ordinal(number)])


def _spelled(letters: str) -> list[str]:
    return [f"{letter}." for letter in letters if "a" <= letter <= "z"]


def _plain(text: str) -> str:
    """Latin letters without accents, plain apostrophes and hyphens."""
    if not text.isascii():
        decomposed = (c if c in _SYMBOLS else unicodedata.normalize("NFKD", c) for c in text.translate(_APOSTROPHES))
        text = "".join(c for c in "".join(decomposed) if not unicodedata.combining(c))
    return text.translate(_APOSTROPHES)


def _different(ways: Iterable[Iterable[str]]) -> list[Reading]:
    return list(islice(dict.fromkeys(way for each in ways if (way := tuple(each))), MOST_READINGS))
