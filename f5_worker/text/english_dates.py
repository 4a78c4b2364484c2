"""English dates, times, years and decades as words."""

import re

from f5_worker.text.english_numbers import cardinal, decimal, ordinal, plural, year
from f5_worker.text.english_tables import DAYS, MONTHS
from f5_worker.text.rules import DASH, END, START, Rule, after, before, rule

_MONTH = "|".join([*MONTHS, "Sept", *(month[:3] for month in MONTHS if month != "May")])
_DAY = "|".join([*DAYS, "Tues", "Thurs", "Thur", *(day[:3] for day in DAYS)])
_WEEKDAY = rf"(?:(?P<weekday>{_DAY})\.?,? )?"
_HALF = r"(?P<half>[aApP](?:\.[mM]\.|[mM](?![\w])))"
_CLOCK = r"(?P<hour>2[0-3]|[01]?\d)(?P<sep>[:.])(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?"


def _name(names: list[str], short: str) -> str:
    return next(name for name in names if name.startswith(short.rstrip(".")[:3]))


def _date(match: re.Match[str]) -> str | None:
    """ "January fifth, nineteen ninety nine" or "the fifth of January nineteen ninety nine", in the order of the caller."""
    found = match.groupdict()
    day, last = int(match["day"]), found.get("last")
    if not 1 <= day <= 31 or (last and not day < int(last) <= 31):
        return None
    days = ordinal(day) + (f" to {ordinal(int(last))}" if last else "")
    month = _name(MONTHS, match["month"])
    weekday = f"{_name(DAYS, match['weekday'])}, " if found.get("weekday") else ""
    of_year = year(_full(match["year"])) if found.get("year") else ""
    if match.start("month") < match.start("day"):
        return f"{weekday}{month} {days}" + (f", {of_year}" if of_year else "")
    the = "" if re.search(r"\b(?:the|The)\s$", before(match)) else "the "
    return f"{weekday}{the}{days} of {month}" + (f" {of_year}" if of_year else "")


def _full(number: str) -> int:
    """A year of two digits is of the last or the coming decades."""
    return int(number) + (0 if len(number) > 2 else 2000 if int(number) < 50 else 1900)


def _month_year(match: re.Match[str]) -> str:
    return f"{_name(MONTHS, match['month'])} {year(int(match['year']))}"


def _numeric(match: re.Match[str]) -> str | None:
    """Month first as in America, unless that is none or points separate the parts."""
    first, second = int(match["a"]), int(match["b"])
    groups = match.groupdict()
    of_year = f"{year(_full(groups['year']))}" if groups.get("year") else ""
    day_first = match["by"] == "." or first > 12
    day, month = (first, second) if day_first else (second, first)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    if day_first:
        return f"the {ordinal(day)} of {MONTHS[month - 1]}" + (f" {of_year}" if of_year else "")
    return f"{MONTHS[month - 1]} {ordinal(day)}" + (f", {of_year}" if of_year else "")


def _iso(match: re.Match[str]) -> str | None:
    month, day = int(match["month"]), int(match["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    words = f"{MONTHS[month - 1]} {ordinal(day)}, {year(int(match['year']))}"
    if match["hour"]:
        words += f", {_clock(match['hour'], match['minute'])}"
        if match["second"] and int(match["second"]):
            words += f" and {cardinal(int(match['second']))} seconds"
    return words + (" UTC" if match["zone"] else "")


def _clock(hour: str, minute: str | None, half: str = "") -> str:
    """A time of day: "ten thirty AM", "nine oh five", "fourteen hundred", "six o'clock"."""
    h, m = int(hour), int(minute or "0")
    if m:
        return f"{cardinal(h)} {'oh ' if m < 10 else ''}{cardinal(m)}{half}"
    if half or minute is None:
        return cardinal(h) + half
    if hour in ("00", "0"):
        return "midnight"
    return f"{cardinal(h)} o'clock" if h < 13 else f"{cardinal(h)} hundred"


def _half(match: re.Match[str]) -> str:
    """ " AM" or " PM", with the period of "p.m." where it also ends the sentence."""
    written = match["half"]
    if not written:
        return ""
    ends = written.endswith(".") and re.match(r"[\"'”’)]*(?:\s*$|\s+[\"'“‘(]?[A-Z])", after(match))
    return f" {written[0].upper()}M" + ("." if ends else "")


def _time(match: re.Match[str]) -> str | None:
    if match["sep"] == "." and not match["half"]:
        return None
    words = _clock(match["hour"], match["minute"])
    if match["second"]:
        h, m, s = (int(match[part]) for part in ("hour", "minute", "second"))
        words = f"{cardinal(h)} {'oh ' if 0 < m < 10 else ''}{cardinal(m)} and {cardinal(s)} second{'' if s == 1 else 's'}"
        return words + _half(match)
    return _clock(match["hour"], match["minute"], _half(match)) if match["half"] else words


def _time_range(match: re.Match[str]) -> str | None:
    first = _clock(match["from"], match["from_minute"]) if int(match["from_minute"] or "0") else cardinal(int(match["from"]))
    last = _clock(match["hour"], match["minute"], _half(match))
    return f"{first} to {last}"


def _hour(match: re.Match[str]) -> str:
    return cardinal(int(match["hour"])) + _half(match)


def _lasting(match: re.Match[str]) -> str:
    """A time that something takes: "two hours thirty minutes"."""
    parts = ((match["hours"], "hour"), (match["minutes"], "minute"), (match["seconds"], "second"))
    return " ".join(f"{cardinal(int(n))} {name}{'' if int(n) == 1 else 's'}" for n, name in parts if n)


def _decade(match: re.Match[str]) -> str | None:
    number = match["n"]
    if (
        len(number) == 2
        and not match["mark"]
        and re.search(r"\b(?:a|an|for|within|every|after|each|last|takes?|took)\s$", before(match), re.IGNORECASE)
    ):
        return None  # seconds
    return plural(cardinal(int(number)) if len(number) == 2 else year(int(number)))


def _short_year(match: re.Match[str]) -> str:
    number = match["n"]
    return f"oh {cardinal(int(number))}" if number[0] == "0" else cardinal(int(number))


def _ratio(match: re.Match[str]) -> str:
    parts = match[0].replace(" ", "").split(":")
    if len(set(parts)) == 1:
        return " ".join(map(decimal, parts))
    return " to ".join(map(decimal, parts))


_YEAR = r"(?P<year>[12]\d{3})(?!\w)"
DATES: tuple[Rule, ...] = (
    rule(
        rf"{START}(?P<year>[12]\d{{3}})(?P<by>[-/.])(?P<month>\d\d?)(?P=by)(?P<day>\d\d?)"
        r"(?:[T ](?P<hour>[0-2]?\d):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:\.\d+)?)?(?P<zone>Z)?)?(?!\w)(?![-/.]\d)",
        _iso,
    ),
    rule(rf"{START}(?P<a>\d\d?)(?P<by>[-/.])(?P<b>\d\d?)(?P=by)(?P<year>[12]\d{{3}}|\d\d)(?!\w)(?![-/.]\d)", _numeric),
    rule(
        rf"\b(?:on|by|until|till|since|due|dated?|before|after|from) (?P<it>(?P<a>\d\d?)(?P<by>/)(?P<b>\d\d?)){END}", _numeric
    ),
    rule(
        rf"\b{_WEEKDAY}(?P<month>{_MONTH})\.? (?P<day>[0-3]?\d)(?:st|nd|rd|th)? ?{DASH} ?(?P<last>[0-3]?\d)(?:st|nd|rd|th)?(?:,? {_YEAR})?{END}",
        _date,
    ),
    rule(rf"\b{_WEEKDAY}(?P<month>{_MONTH})\.? (?P<day>[0-3]?\d)(?:st|nd|rd|th)?(?:(?:,? |,){_YEAR}|{END}(?! ?%))", _date),
    rule(
        rf"(?<![\w/.,:-]){_WEEKDAY}(?P<day>[0-3]?\d)(?:st|nd|rd|th)?(?:[ -]| of )(?P<month>{_MONTH})\b\.?(?:(?:,? |-)(?P<year>[12]\d{{3}}))?(?!\w)",
        _date,
    ),
    rule(rf"\b(?P<month>{_MONTH})\.?,? {_YEAR}", _month_year),
)
TIMES: tuple[Rule, ...] = (
    rule(
        rf"{START}(?P<from>2[0-3]|[01]?\d)(?::(?P<from_minute>[0-5]\d))? ?{DASH} ?"
        rf"(?P<hour>2[0-3]|[01]?\d)(?::(?P<minute>[0-5]\d))? ?{_HALF}",
        _time_range,
    ),
    rule(
        rf"{START}(?P<from>2[0-3]|[01]?\d):(?P<from_minute>[0-5]\d) ?{DASH} ?(?P<hour>2[0-3]|[01]?\d):(?P<minute>[0-5]\d)(?P<half>)(?![\w:])",
        _time_range,
    ),
    rule(rf"{START}{_CLOCK}(?: ?{_HALF}|(?![\w:])(?P<no>))(?!\d)", _time),
    rule(rf"{START}(?P<hour>1[0-2]|0?[1-9]) ?{_HALF}", _hour),
    rule(r"(?<!\w)(?P<hours>\d+) ?h(?:rs?)? ?(?P<minutes>[0-5]?\d) ?m(?:in)?(?: ?(?P<seconds>[0-5]?\d) ?s)?(?!\w)", _lasting),
    rule(r"(?<!\w)(?P<hours>)(?P<minutes>\d+) ?m(?:in)? ?(?P<seconds>[0-5]?\d) ?s(?:ec)?(?!\w)", _lasting),
    rule(rf"{START}\d+(?: ?: ?\d+)+{END}", _ratio),
)
YEARS: tuple[Rule, ...] = (
    rule(
        r"(?<![\w.,/])(?P<year>(?:19|20)\d\d)/(?P<next>\d\d)(?![\w/])",
        lambda match: f"{year(int(match['year']))} {decimal(match['next'])}",
    ),
    rule(r"(?<![\w.,$€£])(?P<mark>['’‘])?(?P<n>1\d\d0|20\d0|[2-9]0)['’]?s(?!\w)", _decade),
    rule(r"(?<!\w)['’‘](?P<n>\d\d)(?![\w'’])", _short_year),
)
