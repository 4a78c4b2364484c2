"""JSON Schema of a job and of its answers, for clients that are made from one (n8n, Zapier, language models' tools).

``python -m f5_worker.job.schema`` writes it to ``schema.json``. It says what to send: what it admits is accepted. A job may be
looser (``"1.2"`` for 1.2, choices in capitals, old names, ``null`` for what is absent), which no client needs to know.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel

from f5_worker.formats import CONTENT_TYPES, FORMATS
from f5_worker.job.bucket import S3ConfigInput
from f5_worker.job.meanings import OF_ANSWERS, OF_INPUTS
from f5_worker.job.problems import S3_FIELD
from f5_worker.job.request import DownloadRequest, Request, TtsRequest, UploadRequest
from f5_worker.job.voices import VoiceInput
from f5_worker.settings import Settings

Schema: TypeAlias = dict[str, Any]

PATH = Path(__file__).resolve().parents[2] / "schema.json"

_EXCLUSIVE: Schema = {"not": {"required": ["local_voice", "ref_audio_base64"]}}
_RULES: Mapping[type[BaseModel], Schema] = {
    TtsRequest: {
        **_EXCLUSIVE,
        "allOf": [
            {
                "if": {"properties": {"output_format": {"const": name}}, "required": ["output_format"]},
                "then": {"properties": {"sample_rate": {"const": form.sample_rate}}},
            }
            for name, form in FORMATS.items()
            if not form.any_rate
        ],
    },
    VoiceInput: {"oneOf": [{"required": ["local_voice"]}, {"required": ["ref_audio_base64"]}]},
    UploadRequest: {"oneOf": [{"required": ["voice_file_url"]}, {"required": ["voice_base64"]}]},
    DownloadRequest: {
        "if": {"properties": {"type": {"const": "timing"}}, "required": ["type"]},
        "then": {"properties": {"format": {"enum": [*CONTENT_TYPES["timing"]]}}},
        "else": {"properties": {"format": {"enum": [*CONTENT_TYPES["audio"]]}}},
    },
}
"""What the models' validators of several fields say; a test holds the two together."""

_REFERENCE = {"voice": "string", "duration": "number", "clipped": "boolean", "ref_text": "string"}
_TEXTS = ["string"]
_WORDS = [
    {
        "word": "string",
        "start": "number",
        "end": "number",
        "confidence": "number|null",
        "chunk": "integer",
        "estimated?": "boolean",
    }
]
_ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "tts": {
        "status": "string",
        "job_id": "string",
        "text": "string",
        "duration": "number",
        "seed": "integer",
        "audio_url?": "string",
        "audio_base64?": "string",
        "audio_path?": "string",
        "output_format": "string",
        "content_type": "string",
        "sample_rate": "integer",
        "size": "integer",
        "reference": _REFERENCE,
        "references?": "object",
        "chunks": [
            {
                "text": "string",
                "start": "number",
                "end": "number",
                "spoken_text?": "string",
                "paragraph?": "boolean",
                "voice?": "string",
            }
        ],
        "timings": "object",
        "words?": _WORDS,
        "word_count?": "integer",
        "timing_confidence?": "number|null",
        "timing_files?": "object",
        "timing_format?": "string|array",
        "timing_method?": "string",
        "verified?": "array",
        "warnings": _TEXTS,
    },
    "part": {
        "part": "integer",
        "text": "string",
        "start": "number",
        "end": "number",
        "audio_base64?": "string",
        "format": "string",
        "sample_rate": "integer",
        "words?": _WORDS,
    },
    "items": {
        "items": ["object"],
        "completed": "integer",
        "failed": "integer",
        "duration": "number",
        "status": "string",
        "job_id": "string",
        "timings": "object",
        "warnings": _TEXTS,
    },
    "upload": {
        "status": "string",
        "message": "string",
        "name": "string",
        "duration": "number",
        "ref_text": "string|null",
        "warnings": _TEXTS,
    },
    "list_voices": {
        "status": "string",
        "voices": [
            {
                "name": "string",
                "size": "integer",
                "last_modified": "string",
                "duration?": "number",
                "ref_text?": "string",
            }
        ],
        "count": "integer",
        "more?": "boolean",
        "next_start_after?": "string",
        "word_timings?": "object",
    },
    "delete_voice": {"status": "string", "name": "string"},
    "download": {
        "status": "string",
        "content_type": "string",
        "filename": "string",
        "format": "string",
        **{f"{kind}_{way}?": "string" for kind in CONTENT_TYPES for way in ("url", "data")},
        "warnings?": _TEXTS,
    },
    "health": {
        "status": "string",
        "problems": _TEXTS,
        "warnings": _TEXTS,
        "model": "object",
        "settings": "object",
        "bootstrap": "object|null",
        "versions": "object",
        "gpu": "object",
        "memory": "object",
        "disk": "object",
        "volume": "object",
        "s3": "object",
        "voices": "object",
        "word_timings?": "object",
        "uptime": "number",
        "jobs": "object",
    },
    "error": {"error": "string", "error_type": "string", "refresh_worker?": "boolean"},
}
"""Fields of each answer by JSON type; ``?`` marks those that may be absent."""


def schema() -> Schema:
    """The whole, with the limits of an endpoint that sets none."""
    models = {model.model_fields["endpoint"].default: model for model in get_args(Request)}
    inputs = {name: _of_model(model) for name, model in models.items()}
    for name, one in inputs.items():
        one["properties"]["endpoint"] = {"const": name, "description": OF_INPUTS["endpoint"]}
        one["required"] = [*(["endpoint"] if name != "tts" else []), *one.get("required", ())]
    inputs["items"] = _of_items(inputs["tts"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A job of the F5-TTS worker",
        "type": "object",
        "properties": {
            "input": {"anyOf": [{"$ref": f"#/$defs/inputs/{name}"} for name in inputs]},
            S3_FIELD: _of_model(S3ConfigInput),
        },
        "required": ["input"],
        "$defs": {"inputs": inputs, "answers": {name: _of_shape(shape) for name, shape in _ANSWERS.items()}},
    }


def _of_items(tts: Schema) -> Schema:
    """Several texts: the fields of ``tts`` for all of them, and over these each one's own."""
    shared = {name: value for name, value in tts["properties"].items() if name != "text"}
    own = {name: value for name, value in tts["properties"].items() if name != "endpoint"}
    own_id = {"id": {"type": ["string", "integer"], "description": OF_INPUTS["id"]}}
    item = {**tts, "properties": {**own_id, **own}, "required": ["text"], "description": "one text with fields of its own"}
    most = Settings().max_items
    items = {"type": "array", "minItems": 1, "maxItems": most, "items": item, "description": OF_INPUTS["items"]}
    return {**tts, "properties": {**shared, "items": items}, "required": ["items"], "description": "Speech of several texts."}


def _of_model(model: type[BaseModel]) -> Schema:
    """A model's schema, whole: voices stand in it where they are used."""
    made = model.model_json_schema()
    parts = made.pop("$defs", {})
    whole: Schema = {**_plain(made, parts), **_RULES.get(model, {})}
    return whole


def _plain(node: Any, parts: Mapping[str, Any]) -> Any:
    """``node`` without titles, ``null`` (which is absent) and pydantic's references."""
    if isinstance(node, list):
        return [_plain(item, parts) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return {**_plain(parts[name], parts), **(_RULES[VoiceInput] if name == VoiceInput.__name__ else {})}
    node = dict(node)
    if "anyOf" in node and {"type": "null"} in node["anyOf"]:
        others = [choice for choice in node.pop("anyOf") if choice != {"type": "null"}]
        node = {**(others[0] if len(others) == 1 else {"anyOf": others}), **node}
    dropped = {name for name in ("title", "default") if not isinstance(node.get(name), dict) and node.get(name) is None}
    dropped |= {"title"} if isinstance(node.get("title"), str) else set()
    plain = {name: _plain(value, parts) for name, value in node.items() if name not in dropped}
    if isinstance(plain.get("description"), str):
        plain["description"] = plain["description"].replace("``", "`")
    for name, field in plain.get("properties", {}).items():
        if name in OF_INPUTS:
            field["description"] = OF_INPUTS[name].replace("{text_limit}", f"{Settings().max_text_chars:,}")
    return plain


def _of_shape(shape: Any) -> Schema:
    if isinstance(shape, str):
        types = shape.split("|")
        return {"type": types[0] if len(types) == 1 else types}
    if isinstance(shape, list):
        return {"type": "array", "items": _of_shape(shape[0])}
    return {
        "type": "object",
        "properties": {name: _of_field(name, value) for name, value in ((n.rstrip("?"), v) for n, v in shape.items())},
        "required": [name for name in shape if not name.endswith("?")],
    }


def _of_field(name: str, shape: Any) -> Schema:
    return _of_shape(shape) | ({"description": OF_ANSWERS[name]} if name in OF_ANSWERS else {})


def text() -> str:
    """The file's text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
