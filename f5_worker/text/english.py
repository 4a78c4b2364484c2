"""English: which rules read a text, and in which order."""

from f5_worker.text.capitals import CAPITALS
from f5_worker.text.english_dates import DATES, TIMES, YEARS
from f5_worker.text.english_names import MIXED, NAMES, NUMBERS
from f5_worker.text.english_numbers import decimal
from f5_worker.text.english_quantities import MONEY, PLAIN, QUANTITIES
from f5_worker.text.english_words import ABBREVIATIONS, SYMBOLS
from f5_worker.text.reading import Edit
from f5_worker.text.rules import Rule, read, rule, spaced

RULES: tuple[Rule, ...] = (
    *NAMES,
    *MONEY,
    *DATES,
    *NUMBERS,
    *TIMES,
    *YEARS,
    *QUANTITIES,
    *ABBREVIATIONS,
    *MIXED,
    *PLAIN,
    *SYMBOLS,
    *CAPITALS,
)
LAST: tuple[Rule, ...] = (rule(r"\d+", lambda match: decimal(match[0])),)
"""For digits that nothing else reads, so that none is lost."""


def edits_of(text: str) -> tuple[Edit, ...]:
    """See ``normalise``."""
    return tuple(spaced(text, read(text, LAST, read(text, RULES))))
