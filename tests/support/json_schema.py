"""The part of JSON Schema (2020-12) that ``schema.json`` uses; a keyword beyond it is an error of the schema."""

import re
from collections.abc import Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
_ANNOTATIONS = {"$schema", "$defs", "title", "description", "default", "then", "else"}


def conforms(value: Any, schema: Mapping[str, Any] | bool, root: Mapping[str, Any]) -> bool:
    """Whether ``value`` is as ``schema``, a part of ``root``, says."""
    if isinstance(schema, bool):
        return schema
    return all(_holds(word, said, value, schema, root) for word, said in schema.items() if word not in _ANNOTATIONS)


def _holds(word: str, said: Any, value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    def each(parts: Any) -> list[bool]:
        return [conforms(value, part, root) for part in parts]

    fields, text = value if isinstance(value, dict) else {}, value if isinstance(value, str) else None
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    known = schema.get("properties", {})
    match word:
        case "$ref":
            part: Any = root
            for name in said.removeprefix("#/").split("/"):
                part = part[name]
            return conforms(value, part, root)
        case "type":
            named = [said] if isinstance(said, str) else said
            return any(isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool)) for name in named)
        case "const":
            return _same(value, said)
        case "enum":
            return any(_same(value, choice) for choice in said)
        case "anyOf":
            return any(each(said))
        case "oneOf":
            return sum(each(said)) == 1
        case "allOf":
            return all(each(said))
        case "not":
            return not conforms(value, said, root)
        case "if":
            return conforms(value, schema.get("then" if conforms(value, said, root) else "else", True), root)
        case "required":
            return not isinstance(value, dict) or set(said) <= set(fields)
        case "properties":
            return all(conforms(fields[name], part, root) for name, part in said.items() if name in fields)
        case "additionalProperties":
            return all(conforms(fields[name], said, root) for name in fields if name not in known)
        case "items":
            return not isinstance(value, list) or all(conforms(item, said, root) for item in value)
        case "minItems":
            return not isinstance(value, list) or len(value) >= said
        case "maxItems":
            return not isinstance(value, list) or len(value) <= said
        case "minimum" | "maximum" | "exclusiveMinimum":
            return number is None or (
                number >= said if word == "minimum" else number <= said if word == "maximum" else number > said
            )
        case "maxLength":
            return text is None or len(text) <= said
        case "pattern":
            return text is None or re.search(said, text) is not None
    raise AssertionError(f"schema.json has a keyword that nobody here understands: {word}")


def _same(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)
