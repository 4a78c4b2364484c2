"""What is wrong with a job: which field, how, and what is allowed, in words that fit an answer and a log.

Nothing long or private is quoted: texts, base64, the query and the login in a URL, and nothing at all of credentials.
"""

import difflib
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from f5_worker.errors import InputError, within
from f5_worker.settings import Settings

_PRIVATE_FIELDS = frozenset({"input", "text", "ref_text", "ref_audio_base64", "voice_base64"})
S3_FIELD = "s3Config"
"""The job's field beside ``input``; those in it are named ``s3Config.NAME``."""
_SHOWN_S3_FIELDS = frozenset({f"{S3_FIELD}.bucketName"})
_SHOWN_PROBLEMS = 20
_SHOWN_CHARS = 40
_SCANNED_CHARS = 10_000  # of a value that is shortened to the above: a login or a query may begin far in
_LOGIN = re.compile(r"(?<=://)[^/]*@")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a field; ``value`` is fit to be shown."""

    field: str
    sentence: str
    value: str | float | None
    allowed: str
    did_you_mean: str | None = None

    @classmethod
    def of_value(cls, field: str, wrong: str, value: object, allowed: str, names: Iterable[str] = ()) -> "Problem":
        """``field`` has a value that ``wrong`` says something about ("is too long"); ``names`` may have been meant."""
        near = nearest(value, names)
        fix = f"did you mean {near}? Use" if near else "use"
        subject, shown = _shown(field, value, private=field.rpartition(".")[2] in _PRIVATE_FIELDS)
        return cls(field, f"{subject} {wrong}; {fix} {allowed}.", shown, allowed, near)


def value_error(what: str) -> PydanticCustomError:
    """For a field's validator: what is wrong with the value, to follow the field's name ("is too long")."""
    return PydanticCustomError("worker_value", "{what}", {"what": what})


def field_error(field: str, sentence: str, allowed: str) -> PydanticCustomError:
    """For any validator: a whole sentence, the field to blame, and what is allowed."""
    return PydanticCustomError("worker_fields", "{what}", {"what": sentence, "field": field, "allowed": allowed})


def input_error(problems: Sequence[Problem]) -> InputError:
    """The error for a job: the first problem, and all of them in ``details["problems"]``."""
    first, more = problems[0], len(problems) - 1
    sentences = [problem.sentence for problem in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        sentences.append(f"And {len(problems) - _SHOWN_PROBLEMS} more.")
    near = {"did_you_mean": first.did_you_mean} if first.did_you_mean else {}
    return InputError(
        first.sentence + (f" ({more} more in problems.)" if more else ""),
        field=first.field,
        value=first.value,
        allowed=first.allowed,
        problems=sentences,
        **near,
    )


def unknown_fields(
    raw: Mapping[Any, Any], fields: Collection[str], whole: str, others: Mapping[str, Collection[str]], prefix: str = ""
) -> list[Problem]:
    """One problem for each name in ``raw`` that is not among the ``fields`` of ``whole`` (an endpoint, or s3Config).

    It is told with the likely name, or with the one of the ``others`` (fields by endpoint) that has it.
    """
    allowed = ", ".join(fields)
    problems: list[Problem] = []
    for name, value in raw.items():
        if name in fields:
            continue
        field = f"{prefix}{brief(name)}"
        subject, shown = _shown(field, value, private=True)
        owner = near = None
        if len(problems) < _SHOWN_PROBLEMS:  # looking for names takes time, and the rest is not shown
            owner = next((other for other, its_fields in others.items() if name in its_fields), None)
            near = None if owner else nearest(name, fields)
        fix = f"did you mean {near}?" if near else f"it belongs to the endpoint {owner}." if owner else "leave it out."
        sentence = f"{subject} is not a field of {whole}; {fix} Allowed: {allowed}."
        problems.append(Problem(field, sentence, shown, allowed, near))
    return problems


def invalid_field(
    error: ErrorDetails, fields: Mapping[str, FieldInfo], values: Mapping[str, Any], settings: Settings, prefix: str = ""
) -> Problem:
    """One of pydantic's errors on a model with ``fields``, in our words; ``prefix`` says where in the job the model lies."""
    context = error.get("ctx", {})
    name = str(error["loc"][0] if error["loc"] else context["field"])
    field, value, allowed = f"{prefix}{name}", values.get(name), _allowed(fields[name], settings)
    match error["type"]:
        case "worker_fields":
            shown = _shown(field, value, private=name in _PRIVATE_FIELDS)[1]
            return Problem(field, within(prefix.removesuffix("."), name, context["what"]), shown, context["allowed"])
        case "missing":
            return Problem(field, f"{field} is missing; send {allowed}.", None, allowed)
        case "worker_value":
            wrong = context["what"]
        case "finite_number":
            wrong = "is not finite"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            wrong = "is out of range"
        case kind if kind.endswith("_type"):
            wrong = "has the wrong type"
        case _:
            wrong = "is not allowed"
    return Problem.of_value(field, wrong, value, allowed, _choices(fields[name].annotation))


def nearest(value: object, names: Iterable[str]) -> str | None:
    """The one of ``names`` that was likely meant."""
    if not isinstance(value, str):
        return None
    return next(iter(difflib.get_close_matches(value[:_SHOWN_CHARS].lower(), list(names), n=1)), None)


def brief(value: object, *, private: bool = False) -> str | float | None:
    """``value`` as it may be shown, in an answer or a log: short, printable, valid JSON, nothing secret."""
    match value:
        case None | bool():
            return value
        case str() if private:
            return f"<{len(value):,} character{'' if len(value) == 1 else 's'}>"
        case str():
            shown = _LOGIN.sub("", value[:_SCANNED_CHARS].partition("?")[0].partition("#")[0])[: _SHOWN_CHARS + 1]
            shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
            return shown if len(shown) <= _SHOWN_CHARS else f"{shown[: _SHOWN_CHARS - 1]}…"
        case int():
            return value if value.bit_length() <= 64 else f"<a whole number of {value.bit_length()} bits>"
        case float():
            return value if math.isfinite(value) else f"<{value}>"
        case list() | tuple():
            return f"<a list of {len(value)}>"
        case Mapping():
            return f"<an object of {len(value)}>"
        case _:
            return f"<{type(value).__name__}>"


def _shown(field: str, value: object, *, private: bool) -> tuple[str, str | float | None]:
    """A field with its value for a sentence (without it where that is private), and the value alone for the details."""
    if field.startswith(S3_FIELD) and field not in _SHOWN_S3_FIELDS:
        # A number may be the credential itself, and an endpoint's URL may hold it in any malformed way.
        return field, None if value is None else f"<{type(value).__name__}>"
    shown = brief(value, private=private)
    hidden = private and isinstance(value, str)
    return field if hidden else f"{field}={json.dumps(shown, ensure_ascii=False)}", shown


def _choices(annotation: Any) -> list[str]:
    """The values of all ``Literal`` types in ``annotation``."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [choice for part in get_args(annotation) for choice in _choices(part)]


def _allowed(field: FieldInfo, settings: Settings) -> str:
    """What a field takes, in words: its description, or what its type and range say."""
    if field.description:
        return field.description.format(max_text_chars=f"{settings.max_text_chars:,}")
    types = get_args(field.annotation) or (field.annotation,)
    if bool in types:
        return "true or false"
    if choices := _choices(field.annotation):
        return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    words = {Ge: "from {0.ge}", Gt: "above {0.gt} and up", Le: "to {0.le}"}
    limits = [words[type(limit)].format(limit) for limit in field.metadata if type(limit) in words]
    return f"a {'whole ' if int in types else ''}number {' '.join(limits)}"
