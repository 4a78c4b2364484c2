"""English amounts as words: money, measures, percentages, fractions, sums, and plain numbers."""

import re

from f5_worker.text.english_numbers import cardinal, decimal, digits, label, ordinal, year
from f5_worker.text.english_units import CURRENCIES, MAGNITUDES, PER, UNITS
from f5_worker.text.rules import DASH, INTEGER, NUMBER, START, Rule, after, before, rule

_FRACTIONS = {
    c: n
    for c, n in zip(
        "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞",
        ["1/2", "1/3", "2/3", "1/4", "3/4", "1/5", "2/5", "3/5", "4/5", "1/6", "5/6", "1/8", "3/8", "5/8", "7/8"],
        strict=True,
    )
}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_ALTERNATIVES = "|".join
_VULGAR = "".join(_FRACTIONS)
_SLASH = r"[/\u2044\u2215]"
_SIGN = rf"(?:(?<![\w).,:/%])(?P<sign>{DASH}|\+|±|~|≈|[<>≤≥] ?))?"
_SIGNS = {
    "+": "plus",
    "±": "plus or minus",
    "~": "about",
    "≈": "about",
    "<": "less than",
    ">": "more than",
    "≤": "at most",
    "≥": "at least",
}
_AMOUNT = rf"{_SIGN}(?:(?P<whole>\d+)(?: |{DASH})?)??(?:(?P<vulgar>[{_VULGAR}])|(?<![0-9.,/])(?P<over>\d+){_SLASH}(?P<under>\d+)(?![0-9/]))"
_RANGE = rf"{_SIGN}(?P<n>{NUMBER})(?: ?{DASH} ?(?P<to>{NUMBER}))?"
_MAGNITUDE = _ALTERNATIVES(sorted(map(re.escape, MAGNITUDES), key=len, reverse=True))
_CURRENCY = _ALTERNATIVES(sorted(map(re.escape, CURRENCIES), key=len, reverse=True))
_UNIT = _ALTERNATIVES(sorted((re.escape(unit).replace("\\ ", " ") for unit in UNITS), key=len, reverse=True))
_NO_NOUN = re.compile(
    r"(?:of|in|and|or|for|to|more|less|per|on|at|is|was|were|are|from|by|with|than|if|as|but|that|when|the|each|a|i|it)\b"
)
_COUNTED = r"people|users?|views|followers|subscribers|customers|downloads|members|copies|jobs|years|times|votes|likes|visitors|homes|lines|rows"
_YEAR_BEFORE = re.compile(
    r"(?:\b(?:in|since|by|until|till|from|of|during|before|after|around|circa|early|late|mid|year|spring|summer|autumn|fall|winter|"
    r"born|died|class|january|february|march|april|may|june|july|august|september|october|november|december|q\s?[1-4]|and|to|or|"
    rf"between|election|edition|season|copyright|©)|{DASH})[\s,(-]*$",
    re.IGNORECASE,
)
_NO_YEAR_AFTER = re.compile(
    r"\s(?:[a-z]+(?<!ss)(?<!\bwas)(?<!\bis)(?<!\bhas)s|people|men|women|children|percent|of)\b|,?\s?(?:times)\b"
)
_RATED = re.compile(r"\b(?:rat\w+|scor\w+|gave|give|got|solid|grade\w*|it an?)\b[^.]*$", re.IGNORECASE)
_RATED_BY = re.compile(r"\s(?:stars?|points?|marks?)\b")
_IDENTIFIER_WORDS = re.compile(
    r"\b(?:pin|code|passcode|password|otp|account|acct|id|serial|extension|ext\.?|zip)(?: (?:number|no\.?))?(?: is|:)? ?#?$",
    re.IGNORECASE,
)
_STATE_BEFORE = re.compile(r",\s?[A-Z]{2}\s$")
_LABEL_BEFORE = re.compile(
    r"\b(?:Boeing|Airbus|Flight|flight|Room|room|Route|Highway|Interstate|RTX|GTX|Ryzen|Suite|Studio|Porsche|Peugeot|Windows)\s$"
)


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _sign(match: re.Match[str]) -> str:
    sign = (match["sign"] or "").strip()
    return _SIGNS.get(sign, "minus") if sign else ""


def _fraction(match: re.Match[str]) -> str | None:
    """ "three and a half", "two thirds", "seven out of ten", "twenty four seven"."""
    over, under = match["over"], match["under"]
    if match["vulgar"]:
        over, under = _FRACTIONS[match["vulgar"]].split("/")
    a, b = int(over), int(under)
    if not match["whole"] and not match["vulgar"]:
        if (a, b) in ((24, 7), (9, 11)) or a == b:
            return _joined(_sign(match), decimal(over), decimal(under))
        if b in (5, 10, 100) and a <= b and (_RATED.search(before(match)[-40:]) or _RATED_BY.match(after(match))):
            return f"{decimal(over)} out of {decimal(under)}"
    if not 1 < b <= 100 or (a >= b and b > 10) or a > 20:
        return None if match["whole"] else _joined(_sign(match), decimal(over), "over", decimal(under))
    name = {2: "half", 4: "quarter"}.get(b) or ordinal(b)
    if match["whole"]:
        part = f"a {name}" if a == 1 else f"{cardinal(a)} {name}s"
        return _joined(_sign(match), decimal(match["whole"]), "and", part)
    names = "halves" if b == 2 else f"{name}s"
    return _joined(_sign(match), f"one {name}" if a == 1 else f"{cardinal(a)} {names}")


def _amount(match: re.Match[str]) -> str | None:
    groups = match.re.groupindex
    if "vulgar" in groups:
        return _fraction(match)
    words = _joined(_sign(match), decimal(match["n"]))
    return f"{words} {_to(match)} {decimal(match['to'])}" if match["to"] else words


def _to(match: re.Match[str]) -> str:
    return "and" if re.search(r"\b[Bb]etween\s$", before(match)) else "to"


def _attribute(match: re.Match[str]) -> bool:
    """Whether an amount describes what follows: a $5 bill, a 10 km run."""
    following = after(match)
    return bool(re.search(r"\b(?:an?|the|this|that|every|each|per|another)\s$", before(match), re.IGNORECASE)) and bool(
        re.match(r"[\s-][a-z]{3,}", following) and not _NO_NOUN.match(following[1:])
    )


def _money(match: re.Match[str]) -> str | None:
    one, many, *parts = CURRENCIES[match["currency"]]
    number, to = match["n"].replace(",", ""), match["to"]
    magnitude = MAGNITUDES.get(match["magnitude"] or "", "")
    per = _per(match["per"])
    sign = "minus" if match["sign"] and match["sign"] in "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212" else _sign(match)
    attribute = _attribute(match) or bool(re.match(r"-(?!plus)[a-z]{2}", after(match)))
    if magnitude or to:
        amount = f"{decimal(number)} to {decimal(to)}" if to else decimal(number)
        return _joined(sign, amount, magnitude, one if attribute else many, per)
    whole, _, hundredths = number.partition(".")
    if parts and len(hundredths) == 2 and hundredths != "00":
        cents = f"{decimal(hundredths.lstrip('0'))} {parts[0] if hundredths == '01' else parts[1]}"
        if not int(whole or "0"):
            return _joined(sign, cents, per)
        return _joined(sign, decimal(whole), one if whole == "1" else many, "and", cents, per)
    if not hundredths.strip("0"):
        number = whole
    return _joined(sign, decimal(number), one if number == "1" or attribute else many, per)


def _per(unit: str | None) -> str:
    return f"per {UNITS[unit][0] if unit in UNITS else unit}" if unit else ""


def _measure(match: re.Match[str]) -> str | None:
    unit, joint, following = match["unit"], match["joint"], after(match)
    number = match.groupdict().get("n")
    if (
        unit in ("in", "in²", "in2")
        and joint == " "
        and not match[0].endswith(".")
        and re.match(r"\s[\w$'\"‘“(]", following)
        and not re.match(r"\s(?:[x×*]|by)\s", following)
    ):
        return None  # "5 in a row"
    if unit in ("m", "K", "B", "t", "MB") and re.match(rf"\s(?:{_COUNTED})\b", following):
        return None
    if unit in ("K", "B", "MP", "J", "ct") and not joint:
        return None  # 4K, 7B
    if unit == "s" and re.search(r"iPhone\s$", before(match)):
        return None
    if (unit == "B" and joint == " ") or (unit == "t" and joint == " "):
        return None
    words = _amount(match)
    if words is None:
        return None
    one, many = UNITS[unit]
    single = (
        (number is not None and number == "1" and not match["to"]) or (number is None and not match["whole"]) or joint == "-"
    )
    name = one if single or (_attribute(match) and unit != "%") else many
    return _joined(words, name, _per(match["per"]))


def _times(match: re.Match[str]) -> str | None:
    """Sizes, "three by four", and products."""
    parts = re.findall(r"[0-9.,]*\d", match["factors"])
    if re.match(r"\s?=", after(match)) or "*" in match[0] or "·" in match[0]:
        return " times ".join(map(decimal, parts))
    screen = all(3 <= len(part) <= 4 and part.isdigit() for part in parts)
    words = " by ".join(label(part) if screen else decimal(part) for part in parts)
    return _joined(words, UNITS[match["unit"]][1] if match["unit"] else "")


def _equation(match: re.Match[str]) -> str:
    names = {
        "+": "plus",
        "*": "times",
        "×": "times",
        "x": "times",
        "·": "times",
        "/": "divided by",
        "÷": "divided by",
        "=": "equals",
        "^": "to the power of",
    }
    parts = re.findall(rf"{NUMBER}|[^\s0-9]", match[0])
    words: list[str] = []
    for part in parts:
        words.append(decimal(part) if part[-1].isdigit() else names.get(part, "minus"))
    return " ".join(words)


def _scientific(match: re.Match[str]) -> str:
    exponent = match["exponent"].translate(_SUPERSCRIPTS)
    sign = "" if exponent[0] in "+0123456789" else "minus "
    return f"{decimal(match['n'])} times ten to the power of {sign}{decimal(re.sub('[^0-9]', '', exponent))}"


def _hundreds(match: re.Match[str]) -> str:
    return {"10": "tens", "100": "hundreds", "1000": "thousands"}[match["n"].replace(",", "")]


def _power(match: re.Match[str]) -> str:
    exponent = match["exponent"].translate(_SUPERSCRIPTS)
    base = decimal(match["n"]) if match["n"][-1].isdigit() else match["n"]
    if exponent in ("2", "3"):
        return f"{base} {'squared' if exponent == '2' else 'cubed'}"
    return f"{base} to the power of {'minus ' if exponent[0] == '-' else ''}{decimal(exponent.lstrip('-'))}"


def _plain(match: re.Match[str]) -> str | None:
    number, left, right = match["n"], before(match), after(match)
    whole = number.isdigit()
    if match["to"]:
        to = match["to"]
        years = all(part.isdigit() and len(part) == 4 and 1000 <= int(part) < 2100 for part in (number, to))
        if years or (whole and len(number) == 4 and 1100 <= int(number) < 2100 and len(to) == 2):
            end = year(int(to)) if years else (f"oh {decimal(to[1])}" if to[0] == "0" else decimal(to))
            return _joined(_sign(match), year(int(number)), _to(match), end)
        if " " in match[0].strip() and float(to.replace(",", "")) < float(number.replace(",", "")):  # an aside, no range
            first = year(int(number)) if whole and _is_year(int(number), left, "") else decimal(number)
            return f"{_joined(_sign(match), first)} - {decimal(to)}"
        if number == to:
            return _joined(_sign(match), decimal(number), decimal(to))
        return _joined(_sign(match), decimal(number), _to(match), decimal(to))
    if (
        whole
        and len(number) > 2
        and (_IDENTIFIER_WORDS.search(left[-30:]) or (len(number) == 5 and _STATE_BEFORE.search(left)))
    ):
        return digits(number)
    if whole and _LABEL_BEFORE.search(left):
        return label(number)
    if whole and len(number) == 4 and not match["sign"] and _is_year(int(number), left, right):
        return year(int(number))
    return _joined(_sign(match), decimal(number))


def _is_year(number: int, left: str, right: str) -> bool:
    if not 1000 <= number < 2100 or _NO_YEAR_AFTER.match(right):
        return False
    if re.match(r"\s?(?:BC|AD|CE|BCE)\b", right):
        return True
    return number >= 1900 or bool(_YEAR_BEFORE.search(left[-20:]))


def _magnified(match: re.Match[str]) -> str:
    return _joined(_amount(match) or "", MAGNITUDES[match["magnitude"]])


def _height(match: re.Match[str]) -> str:
    feet = "foot" if match["feet"] == "1" else "feet"
    inches = match["inches"]
    rest = [decimal(inches), "inch" if inches == "1" else "inches"] if inches else []
    return _joined(decimal(match["feet"]), feet, *rest)


def _in_quotes(match: re.Match[str]) -> bool:
    """Whether a straight quotation mark is open; one after a digit opens none, it is inches."""
    is_open, left = False, before(match)
    for mark in re.finditer('"', left):
        is_open = not is_open and not left[: mark.start()][-1:].isdigit()
    return is_open


def _inches(match: re.Match[str]) -> str | None:
    if match["mark"] == '"' and _in_quotes(match):
        return None  # a quotation ends
    return f"{decimal(match['n'])} {'inch' if match['n'] == '1' or re.match(r' [a-z]', after(match)) else 'inches'}"


def _inch_fraction(match: re.Match[str]) -> str | None:
    words = None if _in_quotes(match) else _fraction(match)
    return words and f"{words} {'inches' if match['whole'] else 'inch'}"


def _ordinal(match: re.Match[str]) -> str:
    return ordinal(int(match["n"].replace(",", "")))


_UNITS_END = rf"(?P<joint> |-)?(?P<unit>{_UNIT})(?:/(?P<per>{_UNIT}|{_ALTERNATIVES(sorted(PER))}))?(?!\w)(?!/\w)(?!\.\d)(?:\.(?= [a-z(]))?"
_MONEY_PER = rf"(?: ?/ ?(?P<per>{_ALTERNATIVES(sorted(PER))}|h|hr|yr|mo|wk|min|kg|lb|g|oz|L|l|m²|sq ft|kWh|mi|km)(?!\w))?"
_MONEY_MAGNITUDE = rf"(?: ?(?P<magnitude>{_MAGNITUDE})(?!\w))?"
_TO = rf"(?: ?{DASH} ?(?:{_CURRENCY})?(?P<to>{NUMBER}))?"

MONEY: tuple[Rule, ...] = (
    rule(
        rf"(?<![\w$])(?P<sign>{DASH}|\+|~|≈|[<>≤≥] ?)?(?P<currency>{_CURRENCY}) ?(?P<n>{NUMBER}){_TO}{_MONEY_MAGNITUDE}{_MONEY_PER}(?!\w)",
        _money,
    ),
    rule(rf"{START}{_SIGN}(?P<n>{NUMBER}){_TO}{_MONEY_MAGNITUDE} ?(?P<currency>{_CURRENCY}){_MONEY_PER}(?!\w)", _money),
)
QUANTITIES: tuple[Rule, ...] = (
    rule(rf"{START}(?P<n>{NUMBER}) ?[x×*·] ?10(?:\^(?P<exponent>[-\u2212]?\d+))(?!\w)", _scientific),
    rule(rf"{START}(?P<n>{NUMBER}) ?[x×*·] ?10(?P<exponent>[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", _scientific),
    rule(rf"{START}(?P<n>{NUMBER})[eE](?P<exponent>[-+\u2212]?\d+)(?!\w)", _scientific),
    rule(r"(?<![\w.,])(?P<it>(?P<n>1,?000|100|10)['’]?s)(?= of\b)", _hundreds),
    rule(rf"{START}{NUMBER}(?: ?(?:[-+*/×÷x·^\u2212] ?{NUMBER}))+ ?= ?{NUMBER}(?!\w)", _equation),
    rule(rf"{START}(?P<feet>\d+)(?:['’′]|ft) ?(?P<inches>1[01]|\d)(?:\.\d+)?(?:[\"”″]|''|’’|in)?(?!\w)", _height),
    rule(r"(?<!\w)(?P<feet>\d+)(?P<inches>)(?:′|['’](?= ?(?:x|×|by|tall|long|wide|high|deep) ?))", _height),
    rule(rf"{START}(?P<n>{NUMBER})(?P<mark>[\"″])(?!\w)", _inches),
    rule(rf"{START}(?P<factors>{NUMBER}(?: ?[x×*·] ?{NUMBER})+)(?: ?(?P<unit>{_UNIT}))?(?!\w)", _times),
    rule(rf"{START}{_AMOUNT}[\"″](?!\w)", _inch_fraction),
    rule(rf"{START}{_AMOUNT}{_UNITS_END}", _measure),
    rule(rf"{START}{_RANGE}{_UNITS_END}", _measure),
    rule(rf"{START}(?P<n>{NUMBER}) ?[x×](?!\w)", lambda m: f"{decimal(m['n'])} times"),
    rule(rf"{START}(?P<n>{NUMBER}|(?<![A-Za-z])[a-zA-Z])(?:\^(?P<exponent>-?\d+))(?!\w)", _power),
    rule(rf"{START}(?P<n>{NUMBER}|(?<![A-Za-z])[a-zA-Z])(?P<exponent>[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)(?!\w)", _power),
    rule(rf"{START}{_RANGE} ?(?P<magnitude>bn|tn|mn|[kMm](?= (?:{_COUNTED})\b)|k(?!\w))(?!\w)", _magnified),
    rule(rf"{START}{_AMOUNT}(?!\w)", _fraction),
    rule(rf"{START}(?P<n>{INTEGER})(?:st|nd|rd|th|ST|ND|RD|TH|ˢᵗ|ⁿᵈ|ʳᵈ|ᵗʰ)(?!\w)", _ordinal),
)
PLAIN: tuple[Rule, ...] = (
    rule(r"(?<![\w.,])\d{1,3}(?:\.\d{3}){2,}(?![\w.]|,\d)", lambda m: decimal(m[0].replace(".", ""))),
    rule(r"(?<![\w.,])\d{1,3}(?:\.\d{3})+,\d+(?!\w)", lambda m: decimal(m[0].replace(".", "").replace(",", "."))),
    rule(rf"(?<!\w){_RANGE}(?![\w])", _plain),
)
