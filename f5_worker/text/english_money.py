"""English money as words."""

import re

from f5_worker.text.english_numbers import decimal
from f5_worker.text.english_quantities import MAGNITUDE, SIGN, describes, joined, per, sign_of
from f5_worker.text.english_units import CURRENCIES, MAGNITUDES, PER
from f5_worker.text.rules import DASH, NUMBER, START, Rule, after, any_of, rule

_CURRENCY = any_of(CURRENCIES)
_PER = rf"(?: ?/ ?(?P<per>{any_of(PER)}|h|hr|yr|mo|wk|min|kg|lb|g|oz|L|l|m²|sq ft|kWh|mi|km)(?!\w))?"
_MAGNITUDE = rf"(?: ?(?P<magnitude>{MAGNITUDE})(?!\w))?"
_TO = rf"(?: ?{DASH} ?(?:{_CURRENCY})?(?P<to>{NUMBER}))?"


def _money(match: re.Match[str]) -> str | None:
    one, many, *parts = CURRENCIES[match["currency"]]
    number, to = match["n"].replace(",", ""), match["to"]
    magnitude = MAGNITUDES.get(match["magnitude"] or "", "")
    share = per(match["per"])
    sign = sign_of(match)
    attribute = describes(match) or bool(re.match(r"-(?!plus)[a-z]{2}", after(match)))
    if magnitude or to:
        amount = f"{decimal(number)} to {decimal(to)}" if to else decimal(number)
        return joined(sign, amount, magnitude, one if attribute else many, share)
    whole, _, hundredths = number.partition(".")
    if parts and len(hundredths) == 2 and hundredths != "00":
        cents = f"{decimal(hundredths.lstrip('0'))} {parts[0] if hundredths == '01' else parts[1]}"
        if not int(whole or "0"):
            return joined(sign, cents, share)
        return joined(sign, decimal(whole), one if whole == "1" else many, "and", cents, share)
    if not hundredths.strip("0"):
        number = whole
    return joined(sign, decimal(number), one if number == "1" or attribute else many, share)


MONEY: tuple[Rule, ...] = (
    rule(
        rf"(?<![\w$])(?P<sign>{DASH}|\+|~|≈|[<>≤≥] ?)?(?P<currency>{_CURRENCY}) ?(?P<n>{NUMBER})"
        rf"{_TO}{_MAGNITUDE}{_PER}(?!\w)",
        _money,
    ),
    rule(rf"{START}{SIGN}(?P<n>{NUMBER}){_TO}{_MAGNITUDE} ?(?P<currency>{_CURRENCY}){_PER}(?!\w)", _money),
)
