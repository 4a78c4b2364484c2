"""What all models of a job have in common, and how an object of a job becomes one of them, or all that is wrong with it."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from f5_worker.job.forms import present, typed
from f5_worker.job.problems import Problem, invalid_field, unknown_fields
from f5_worker.settings import Settings

M = TypeVar("M", bound=BaseModel)


class Checked(BaseModel):
    """Immutable, no unknown field, no NaN or infinity, values as ``forms.py`` has them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _as_sent(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        annotations = {name: field.annotation for name, field in cls.model_fields.items()}
        return {name: typed(value, annotations.get(name)) for name, value in present(raw).items()}


def checked(
    model: type[M],
    raw: Mapping[Any, Any],
    settings: Settings,
    whole: str,
    others: Mapping[str, Collection[str]] = MappingProxyType({}),
    prefix: str = "",
    also: Collection[str] = (),
) -> M | list[Problem]:
    """``raw`` as ``model``, or all that is wrong with it; for the rest see ``unknown_fields``.

    ``also`` are fields that take the place of others, and are checked elsewhere.
    """
    fields = model.model_fields
    known = {name: value for name, value in raw.items() if name in fields}
    problems = unknown_fields(raw, (*fields, *also), whole, others, prefix)
    try:
        checked = model.model_validate(known, context=settings)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return problems + [invalid_field(details, fields, known, settings, prefix) for details in found]
    return problems or checked
