"""The parts of a stream as what an HTTP client reads: bytes of one file, OpenAI's events, or our parts in lines."""

import base64
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeAlias

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from f5_worker.audio.streamed import STREAMED, StreamEncoder
from f5_worker.formats import FORMAT_ALIASES, FORMATS
from f5_worker.front.connection import Cut
from f5_worker.front.statuses import error_body, status_of
from f5_worker.loop import in_thread

Parts: TypeAlias = AsyncGenerator[dict[str, Any], None]
Render: TypeAlias = Callable[[Parts], AsyncGenerator[bytes, None]]

LINES = "application/x-ndjson"
EVENTS = "text/event-stream"
_PATH = "/v1/"


class Streamed(StreamingResponse):
    """A body that is closed, and its job stopped, with the response. Proxies are told not to wait for more of it."""

    def __init__(self, content: AsyncGenerator[bytes, None], media_type: str) -> None:
        super().__init__(content, media_type=media_type, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the body."""
        async with aclosing(self._content):
            await super().__call__(scope, receive, send)


def streamed_format(name: object) -> str | None:
    """The name in ``STREAMED`` of what is asked for; ``None`` if it is not made here."""
    lower = name.lower() if isinstance(name, str) else ""
    found = FORMAT_ALIASES.get(lower, lower)
    return found if found in STREAMED else None


def accepted_format(accept: str) -> str | None:
    """The format that an Accept header names first."""
    types = [kind.partition(";")[0].strip().lower() for kind in accept.split(",")]
    names = {"audio/mp3": "mp3", "audio/x-wav": "wav", "audio/opus": "ogg"}
    names |= {form.content_type.lower(): name for name, form in STREAMED.items()}
    return next((names[kind] for kind in types if kind in names), None)


def parts_for(name: str) -> dict[str, str]:
    """The fields of a job whose parts become a file of that format: samples, of the rate that such a file has."""
    is_result = name in FORMATS
    return {
        "output_format": name if is_result else "mp3",
        "stream_format": "pcm" if STREAMED[name].codec or name == "wav" else name,
    }


def as_file(encoder: StreamEncoder) -> Render:
    """The bytes of one file, piece by piece."""

    async def render(parts: Parts) -> AsyncGenerator[bytes, None]:
        async with aclosing(_encoded(parts, encoder)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Mapping):
                    raise Cut
                yield piece

    return render


def as_events(encoder: StreamEncoder) -> Render:
    """OpenAI's server-sent events: ``speech.audio.delta`` with bytes of one file, at last ``speech.audio.done``."""

    def event(value: Mapping[str, Any]) -> bytes:
        return f"data: {json.dumps(value)}\n\n".encode()

    async def render(parts: Parts) -> AsyncGenerator[bytes, None]:
        async with aclosing(_encoded(parts, encoder)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Mapping):
                    yield event({"type": "error", **error_body(piece, _PATH, status_of(piece))})
                    return
                yield event({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode("ascii")})
        yield event({"type": "speech.audio.done"})

    return render


async def as_lines(parts: Parts) -> AsyncGenerator[bytes, None]:
    """Each part, the last one or an error too, as a line of JSON."""
    async with aclosing(parts) as given:
        async for part in given:
            yield json.dumps(part).encode() + b"\n"


async def chained(first: dict[str, Any], rest: Parts) -> Parts:
    """``first`` again, before what follows it."""
    async with aclosing(rest) as given:
        yield first
        async for part in given:
            yield part


async def _encoded(parts: Parts, encoder: StreamEncoder) -> AsyncGenerator[bytes | dict[str, Any], None]:
    """The file's bytes, or at last the answer of a job that failed."""
    async with aclosing(parts) as given:
        async for part in given:
            if "error" in part:
                yield part
                return
            if "part" not in part:
                break
            if data := await in_thread(encoder.add, base64.b64decode(part["audio_base64"])):
                yield data
    if data := await in_thread(encoder.end):
        yield data
