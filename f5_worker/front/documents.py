"""What OpenAPI says of each route: the schemas of ``schema.json``, which are made from the models that check a job."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from f5_worker.audio.streamed import STREAMED
from f5_worker.formats import FORMATS
from f5_worker.front.sounds import EVENTS, LINES
from f5_worker.job.problems import S3_FIELD
from f5_worker.job.schema import schema

Part = Mapping[str, Any]

_SPEECH: Part = {
    "type": "object",
    "properties": {
        "model": {"type": "string", "description": "without effect: the endpoint has one model"},
        "input": {"type": "string", "description": "what to speak"},
        "voice": {"type": "string", "description": "a stored voice or an http(s) URL; OpenAI's names mean the default voice"},
        "response_format": {"enum": [*STREAMED, "opus"], "default": "mp3"},
        "speed": {"type": "number", "minimum": 0.25, "maximum": 4, "default": 1.0},
        "stream_format": {"enum": ["audio", "sse"], "default": "audio"},
    },
    "required": ["input"],
    "additionalProperties": True,
    "description": "OpenAI's fields; those of POST /tts may stand beside them.",
}
_OPENAI_ERROR: Part = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {name: {"type": ["string", "null"]} for name in ("message", "type", "param", "code")},
        }
    },
}
_FAILURES = {
    400: "the request is wrong",
    401: "the key is wrong",
    429: "too many requests wait",
    503: "the model is not available",
}


@cache
def _definitions() -> dict[str, Any]:
    whole = schema()
    return {**whole["$defs"], S3_FIELD: whole["properties"][S3_FIELD]}


def _input(name: str, *without: str) -> dict[str, Any]:
    one = dict(_definitions()["inputs"][name])
    dropped = {"endpoint", *without}
    one["properties"] = {field: value for field, value in one["properties"].items() if field not in dropped}
    one["required"] = [field for field in one["required"] if field not in dropped]
    return one


def _with_bucket(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "properties": {**one["properties"], S3_FIELD: _definitions()[S3_FIELD]}}


def _json(value: Part) -> dict[str, Any]:
    return {"application/json": {"schema": value}}


def _audio() -> dict[str, Any]:
    return {form.content_type: {"schema": {"type": "string", "format": "binary"}} for form in STREAMED.values()}


def _route(answer: Part, body: Part | None = None, openai: bool = False, **more: Any) -> dict[str, Any]:
    """The keyword arguments of a FastAPI route."""
    error = _OPENAI_ERROR if openai else _definitions()["answers"]["error"]
    failures = {status: {"description": what, "content": _json(error)} for status, what in _FAILURES.items()}
    extra = {**({"requestBody": {"required": True, "content": body}} if body else {}), **more}
    return {"responses": {200: {"description": "done", "content": answer}, **failures}, "openapi_extra": extra}


def answer_of(name: str) -> dict[str, Any]:
    """A route without a body that answers as an endpoint of the queue."""
    return _route(_json(_definitions()["answers"][name]))


def speech() -> dict[str, Any]:
    """``POST /v1/audio/speech``."""
    return _route({**_audio(), EVENTS: {"schema": {"type": "string"}}}, _json(_SPEECH), openai=True)


def tts() -> dict[str, Any]:
    """``POST /tts``."""
    answers = {"anyOf": [_definitions()["answers"][name] for name in ("tts", "items")]}
    body = {"anyOf": [_with_bucket(_input(name, "stream_format" if name == "items" else "")) for name in ("tts", "items")]}
    lines = {LINES: {"schema": {"type": "string", "description": "parts, and at last the answer, one JSON object a line"}}}
    files = {kind: value for kind, value in _audio().items() if kind in {form.content_type for form in FORMATS.values()}}
    return _route({**_json(answers), **lines, **files}, _json(body))


def upload() -> dict[str, Any]:
    """``POST /voices``."""
    form = _input("upload", "voice_base64", "voice_file_url")
    file = {"type": "string", "format": "binary", "description": "the clip; its file name is the default of voice_name"}
    form = {**form, "properties": {**form["properties"], "file": file}, "required": ["file"]}
    form.pop("oneOf", None)
    body = {**_json(_input("upload")), "multipart/form-data": {"schema": form}}
    return _route(_json(_definitions()["answers"]["upload"]), body)


def query(name: str, *without: str) -> dict[str, Any]:
    """A route whose query has the fields of an endpoint."""
    one = _input(name, *without)
    parameters = [
        {"name": field, "in": "query", "required": field in one["required"], "schema": value}
        for field, value in one["properties"].items()
    ]
    return _route(_json(_definitions()["answers"][name]), parameters=parameters)
