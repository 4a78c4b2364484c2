"""Values as forms and typed clients send them: ``null`` for what is absent, a string or a float for what it exactly is."""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, get_args

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")
"""JSON's own grammar, in ASCII, with bounds: "1.2", "-1", "1e3"; not "0x10", "nan", "+1", "007", " 1"."""


def present(raw: Mapping[Any, Any]) -> dict[Any, Any]:
    """``raw`` without what is ``null``."""
    return {name: value for name, value in raw.items() if value is not None}


def typed(value: object, annotation: object) -> object:
    """``value`` as the number or boolean that a field of type ``annotation`` takes, where nothing is lost; else as it is."""
    types = set(get_args(annotation) or (annotation,))
    if isinstance(value, str) and str not in types:
        if bool in types and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if types & {int, float} and _NUMBER.fullmatch(value):
            return _number(value)
    elif int in types and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _number(text: str) -> object:
    """A whole number wherever it is one, however it is written; ``text`` itself where a float would overflow or vanish."""
    exact, number = Decimal(text), float(text)
    if not math.isfinite(number) or (number == 0) != (exact == 0):
        return text
    return int(exact) if exact == exact.to_integral_value() else number
