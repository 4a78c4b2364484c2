"""English abbreviations and symbols as words."""

import re

from f5_worker.text.english_tables import BARE, DAYS, MONTHS, NUMBERED, PHRASES, STREETS, TITLES
from f5_worker.text.rules import DASH, Rule, after, before, rule

_STARTERS = (
    "The|He|She|It|They|We|I|You|A|An|In|On|At|This|That|These|Those|But|And|So|If|When|Then|There|What|Why|How|My|Our|His|Her|Their|Its|"
    "Please|No|Yes|For|As|After|Before|With|To|From|Let|Do|Did|Is|Are|Was|One|Now|Not|Or|Some|All|Most|Many|Next|Later|Once|Since|While|"
    "Who|Where|Nobody|Everyone|Everybody|Here|Call|Go|Come|See|Turn|Can|Will|Would|Could"
)
_ENDS = re.compile(rf"[\"'”’)\]]*(?:\s*$|\s+[\"'“‘(]?(?:{_STARTERS})\b)")
_ENDS_BEFORE_CAPITAL = re.compile(r"[\"'”’)\]]*(?:\s*$|\s+[\"'“‘(]?[A-Z])")
_COMPANIES = ("inc", "ltd", "corp", "co", "bros", "jr", "sr")
_NEVER_LAST = {"e.g", "i.e", "vs", "approx", "cf", "viz", "incl", "excl", "esp", "a.k.a"}
_OR = {
    "he/she",
    "she/he",
    "his/her",
    "her/his",
    "him/her",
    "her/him",
    "his/hers",
    "yes/no",
    "either/or",
    "true/false",
    "and/or",
}
_SHORT_MONTHS = "|".join(["Sept", *(month[:3] for month in MONTHS if month != "May")])
_SHORT_DAYS = "|".join(["Tues", "Thurs", "Thur", *(day[:3] for day in DAYS)])
_SYMBOLS = {
    "&": "and", "@": "at", "+": "plus", "=": "equals", "≠": "is not equal to", "≈": "is about", "±": "plus or minus", "×": "times",
    "÷": "divided by", "√": "the square root of", "∞": "infinity", "π": "pi", "©": "copyright", "§": "section", "°": "degrees",
    "%": "percent", "€": "euro", "£": "pound", "$": "dollar", "¥": "yen", "≤": "is at most", "≥": "is at least", "№": "number",
    "→": "to", "⇒": "to", "½": "one half", "¼": "one quarter", "¾": "three quarters",
}  # fmt: skip


def _like(word: str, written: str) -> str:
    return word[0].upper() + word[1:] if written[0].isupper() else word


def _period(match: re.Match[str], ends: re.Pattern[str] = _ENDS) -> str:
    """The period of an abbreviation that is also that of its sentence."""
    return "." if match[0].endswith(".") and ends.match(after(match)) else ""


def _title(match: re.Match[str]) -> str:
    return TITLES[match["short"]]


def _street(match: re.Match[str]) -> str | None:
    """ "Main Street", "Elm Drive"; but a saint or a doctor where a name follows and no house number goes before."""
    short = match["short"]
    if short in TITLES and re.match(r"\s[A-Z][a-z]", after(match)):
        numbered = re.search(r"\d\w*\s(?:[A-Z][\w.]*\s)+$", before(match))
        if not (numbered and _ENDS.match(after(match))):
            return None
    return STREETS[short] + _period(match)


def _numbered(match: re.Match[str]) -> str:
    return _like(NUMBERED[match["short"].lower()], match["short"])


def _phrase(match: re.Match[str]) -> str | None:
    short = match["short"]
    name = short.lower()
    if name in _COMPANIES:
        if short[0].islower() and name not in ("jr", "sr"):
            return None
        return PHRASES[name] + _period(match)
    if short.isupper() and len(short) > 2:
        return None  # EST, MAX
    return _like(PHRASES[name], short) + ("" if name in _NEVER_LAST else _period(match, _ENDS_BEFORE_CAPITAL))


def _month(match: re.Match[str]) -> str | None:
    if _ENDS_BEFORE_CAPITAL.match(after(match)) and not re.search(
        r"\b(?:in|of|since|by|until|last|next|early|late|mid)[\s-]$", before(match)
    ):
        return None  # Jan is a name too
    return next(month for month in MONTHS if month.startswith(match["short"][:3])) + _period(match)


def _day(match: re.Match[str]) -> str:
    return next(day for day in DAYS if day.startswith(match["short"][:3]))


def _days(match: re.Match[str]) -> str:
    first = next(day for day in DAYS if day.startswith(match["a"][:3]))
    return f"{first} to {_day(match)}"


def _slash(match: re.Match[str]) -> str:
    left, right = re.search(r"\w+$", before(match)), re.match(r"\w+", after(match))
    words = f"{left[0] if left else ''}/{right[0] if right else ''}".lower()
    return " " if words == "and/or" else " or " if words in _OR else " slash "


def _between(match: re.Match[str]) -> str | None:
    """A dash between two amounts: "9 am to 5 pm", "$5 to $10"."""
    left = re.search(
        r"(?:^|[\s(])[$€£¥]?(?:\d[\w.,:%°/]*|\d[\d:]*\s?[aApP]\.?[mM]\.?|\d+\s\w{1,4}|noon|midnight|[A-Z][a-z]{2,8}\.?\s\d+)$",
        before(match),
    )
    return " to " if left else None


ABBREVIATIONS: tuple[Rule, ...] = (
    rule(
        rf"(?<=[A-Z0-9a-z] )(?<=\w )(?<![.,;:] )(?P<short>{'|'.join(STREETS)})(?P<dot>\.|(?=,|$))(?!\w)",
        lambda m: _street_after_name(m),
    ),
    rule(rf"\b(?P<short>{'|'.join(TITLES)})\.(?= ?[A-Z]| (?:and|&) )", _title),
    rule(r"\b(?P<short>Mr|Mrs|Ms|Dr|Prof|St|Mt)(?= [A-Z][a-z])", _title),
    rule(rf"(?<![\w.])(?P<it>(?P<short>{'|'.join(NUMBERED)})\.)(?= ?(?:\d|[IVX]+\b))", _numbered, re.IGNORECASE),
    rule(r"(?<![\w.])(?P<it>(?P<short>ext|vol|pp|fig))(?= \d)", _numbered, re.IGNORECASE),
    rule(r"(?<![\w.])(?P<short>e\.g|i\.e)\.?(?!\w)", _phrase, re.IGNORECASE),
    rule(rf"(?<![\w.])(?P<short>{'|'.join(map(re.escape, PHRASES))})\.(?!\w)", _phrase, re.IGNORECASE),
    rule(rf"\b(?P<a>{_SHORT_DAYS})\.?{DASH}(?P<short>{_SHORT_DAYS})(?:\.(?! [A-Z])|\b)", _days),
    rule(rf"\b(?P<short>{_SHORT_MONTHS})\.", _month),
    rule(rf"\b(?P<short>{_SHORT_DAYS})\.(?=,? (?:[a-z0-9]|(?:{_SHORT_MONTHS})))", _day),
    rule(r"(?<!\w)(?P<short>w/out|w/o|b/c|&c|vs|aka|approx)(?!\w)", lambda m: BARE[m[0]]),
    rule(r"(?<![\w/])w/(?=[ \w])", lambda _: "with", re.IGNORECASE),
)
SYMBOLS: tuple[Rule, ...] = (
    rule(rf"(?<=[\w%°.])(?P<it> ?[-\u2013\u2014] ?)(?=[$€£¥]?\d)", _between),
    rule(r"(?<=\w)(?P<it> [x×] )(?=\d)", lambda _: " by "),
    rule(r"\b(?P<it>[CF]#)(?!\w)", lambda m: f"{m[0][0]} sharp"),
    rule(r"(?<=\w)\+\+(?!\w)", lambda _: " plus plus"),
    rule(r"(?<![\w&])(?P<a>[A-Z]{1,4})&(?P<b>[A-Z]{1,4})(?![A-Z&])", lambda m: f"{' '.join(m['a'])} and {' '.join(m['b'])}"),
    rule(r"(?<=[A-Za-z])/(?=[A-Za-z])", _slash),
    rule(r"(?<=\d)(?P<it> ?/ ?)(?=\d)", lambda _: " over "),
    rule(r"(?<= )<(?= )|(?<!\w)<(?= ?\d)", lambda _: "less than"),
    rule(r"(?<= )>(?= )|(?<!\w)>(?= ?\d)", lambda _: "greater than"),
    rule(r"§§", lambda _: "sections"),
    rule(r"[®™℠]", lambda _: ""),
    rule(r"(?<=[\w)])\+(?!\+)", lambda _: " plus"),
    rule(r"&", lambda _: "and"),
    rule(r"[@+=≠≈±×÷√∞π©§°%€£$¥≤≥№→⇒½¼¾](?![@+=$%])", lambda m: _SYMBOLS[m[0]]),
)
"""For what no number has taken."""


def _street_after_name(match: re.Match[str]) -> str | None:
    """Only what follows a name or an ordinal is a street."""
    named = re.search(r"(?:\b[A-Z][a-z]+|\b\d+(?:st|nd|rd|th)|\b(?:North|South|East|West|[NSEW]\.?))\s$", before(match))
    return _street(match) if named else None
