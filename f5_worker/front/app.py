"""The routes: each is a job like those of the queue, and its answer in HTTP."""

import base64
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from f5_worker.audio.streamed import STREAMED, StreamEncoder
from f5_worker.errors import InputError, RequestError, WorkerError, unexpected
from f5_worker.front import documents
from f5_worker.front.auth import KeyCheck
from f5_worker.front.bodies import read_form_or_json, read_json
from f5_worker.front.connection import PING
from f5_worker.front.gate import Gate
from f5_worker.front.readiness import Readiness
from f5_worker.front.sounds import (
    EVENTS,
    LINES,
    Parts,
    Streamed,
    accepted_format,
    as_events,
    as_file,
    as_lines,
    chained,
    parts_for,
    streamed_format,
)
from f5_worker.front.statuses import error_response
from f5_worker.job.problems import S3_FIELD
from f5_worker.resources import Resources
from f5_worker.settings import Settings

Handler = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
StreamHandler = Callable[[Mapping[str, Any], Settings], AsyncGenerator[dict[str, Any], None]]

_NOT_IN_BYTES = "return_word_timings"
_PAGE = Path(__file__).resolve().parent / "page"
_PAGE_PARTS = ("page.js", "page.css", "docs.js")
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob: http: https:; img-src 'self' data:",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}
_ABOUT = "F5-TTS over HTTP: the jobs of the RunPod worker, OpenAI's speech API, and a page at / to try them."


class Front:
    """``app`` is what is served. ``handler`` and ``stream_handler`` run jobs as for the SDK; ``end`` is called where
    the process must not go on."""

    def __init__(
        self,
        handler: Handler,
        stream_handler: StreamHandler,
        resources: Resources,
        readiness: Readiness,
        end: Callable[[], None],
    ) -> None:
        self._handler, self._stream_handler, self._resources = handler, stream_handler, resources
        self._readiness, self._end, self._gate = readiness, end, Gate(resources.settings.max_concurrency)
        self._began = int(time.time())
        self.app = self._made()

    def _made(self) -> FastAPI:
        app = FastAPI(title="F5-TTS", description=_ABOUT, version="1", docs_url=None, redoc_url=None)  # theirs come from a CDN
        app.add_exception_handler(WorkerError, self._failed)
        app.add_exception_handler(HTTPException, self._no_route)
        app.add_exception_handler(Exception, self._unexpected)
        if origins := self._resources.settings.front.cors_origins:
            app.add_middleware(
                CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=["*"]
            )
        app.add_api_route(PING, self.ping, summary="200 ready, 204 while the model loads, 503 failed")
        app.add_api_route(PING, self.ping, methods=["HEAD"], include_in_schema=False)
        for path, name in {"/": "index.html", "/docs": "docs.html", **{f"/{name}": name for name in _PAGE_PARTS}}.items():
            app.add_api_route(path, _file(name), include_in_schema=False)
        jobs = APIRouter(dependencies=[Depends(KeyCheck(self._resources.settings.front))])
        add = jobs.add_api_route
        add("/v1/audio/speech", self.speech, methods=["POST"], **documents.speech())
        add("/v1/audio/voices", self.openai_voices, **documents.answer_of("list_voices"))
        add("/v1/models", self.models)
        add("/tts", self.tts, methods=["POST"], **documents.tts())
        add("/voices", self.voices, **documents.query("list_voices"))
        add("/voices", self.upload, methods=["POST"], **documents.upload())
        add("/voices/{voice_name}", self.delete_voice, methods=["DELETE"], **documents.answer_of("delete_voice"))
        add("/results/{job_id}", self.download, **documents.query("download", "job_id"))
        add("/health", self.health, **documents.answer_of("health"))
        app.include_router(jobs)
        return app

    async def ping(self) -> Response:
        """Where the platform may send requests: 200 ready, 204 while the model loads, 503 where that has failed."""
        status, body = self._readiness.ping()
        if status == 503:
            return error_response(body, PING, status, self._readiness.retry_in)
        return Response(status_code=status) if status == 204 else JSONResponse(body, status)

    async def speech(self, request: Request) -> Response:
        """Speech in OpenAI's shape: the bytes of one file, or events (`"stream_format": "sse"`), as they are made."""
        sent = await read_json(request, self._resources.settings)
        how = str(sent.get("stream_format") or "audio").lower()
        name = streamed_format(sent.get("response_format") or "mp3")
        fields = {key: value for key, value in sent.items() if key not in ("stream_format", _NOT_IN_BYTES)}
        if name is None:  # another, which the job may know under our name for it, or refuses
            form = {"stream_format": "pcm"}
        else:
            form = parts_for(name)
            fields["response_format"] = form.pop("output_format")
        job = {"openai_route": "/v1/audio/speech", "openai_input": {**fields, **form}}
        return await self._sound(request, job, name or "mp3", events=how == "sse")

    async def openai_voices(self, request: Request) -> Response:
        """The stored voices."""
        return await self._answer(request, {"endpoint": "list_voices"})

    async def models(self) -> dict[str, Any]:
        """The model, as OpenAI lists models."""
        model = {
            "id": Path(self._resources.settings.model).name,
            "object": "model",
            "created": self._began,
            "owned_by": "f5-tts",
        }
        return {"object": "list", "data": [model]}

    async def tts(self, request: Request) -> Response:
        """Speech with our own fields, in JSON; with `Accept: audio/*` the bytes of one file, as they are made, with
        `Accept: application/x-ndjson` its parts."""
        sent = await read_json(request, self._resources.settings)
        accept = request.headers.get("accept", "").lower()
        s3, fields = sent.pop(S3_FIELD, None), {**sent, "endpoint": sent.get("endpoint", "tts")}
        if str(fields["endpoint"]).lower() != "tts":
            raise InputError("POST /tts is for speech; the other endpoints have routes of their own: /docs.", field="endpoint")
        if LINES in accept:
            return await self._lines(request, {"input": fields, S3_FIELD: s3})
        if "audio/" not in accept:
            return await self._answer(request, fields, s3)
        if sent.get("items") is not None:
            raise InputError("items are answered in JSON; leave audio out of Accept, or send one text.", field="items")
        fields.pop(_NOT_IN_BYTES, None)
        wanted = sent.get("output_format")
        name = accepted_format(accept) or "wav" if wanted is None else streamed_format(wanted)
        if name is not None:
            fields |= parts_for(name) if wanted is None else {"stream_format": parts_for(name)["stream_format"]}
        return await self._sound(request, {"input": fields, S3_FIELD: s3}, name or "wav")

    async def voices(self, request: Request) -> Response:
        """The stored voices."""
        return await self._answer(request, {"endpoint": "list_voices", **request.query_params})

    async def upload(self, request: Request) -> Response:
        """Store a clip as a voice, from JSON or from a form."""
        encode = lambda data: base64.b64encode(data).decode("ascii")  # noqa: E731
        sent = await read_form_or_json(request, self._resources.settings, "voice_base64", encode)
        return await self._answer(request, {**sent, "endpoint": "upload"}, sent.pop(S3_FIELD, None))

    async def delete_voice(self, request: Request, voice_name: str) -> Response:
        """Remove a stored voice."""
        return await self._answer(request, {"endpoint": "delete_voice", "voice_name": voice_name})

    async def download(self, request: Request, job_id: str) -> Response:
        """The result of an earlier job."""
        return await self._answer(request, {"endpoint": "download", **request.query_params, "job_id": job_id})

    async def health(self, request: Request) -> Response:
        """How the worker is; loads nothing."""
        return await self._answer(request, {"endpoint": "health"})

    async def _answer(self, request: Request, fields: Mapping[str, Any], s3: object = None) -> Response:
        job = {"input": fields, S3_FIELD: s3}
        if fields["endpoint"] in ("tts", "upload"):
            async with self._gate:
                answer = await self._handler(job)
        else:
            answer = await self._handler(job)
        self._look_at(answer)
        return self._response(answer, request)

    async def _sound(self, request: Request, job: Mapping[str, Any], name: str, events: bool = False) -> Response:
        """One file while it is made, in bytes or in events; what fails before the first of them is a status."""
        parts = self._parts(job, replace(self._resources.settings, streaming=True, parts_only=True))
        first = await anext(parts)
        if "part" not in first:
            return await self._ended(first, parts, request)
        try:
            encoder = StreamEncoder(name, first["sample_rate"])
        except (ImportError, WorkerError) as error:
            await parts.aclose()
            raise self._resources.package_missing(error) if isinstance(error, ImportError) else error from error
        render, kind = (as_events(encoder), EVENTS) if events else (as_file(encoder), STREAMED[name].content_type)
        return Streamed(render(chained(first, parts)), kind)

    async def _lines(self, request: Request, job: Mapping[str, Any]) -> Response:
        parts = self._parts(job, replace(self._resources.settings, streaming=True))
        first = await anext(parts)
        if "error" in first:
            return await self._ended(first, parts, request)
        return Streamed(as_lines(chained(first, parts)), LINES)

    async def _ended(self, answer: Mapping[str, Any], parts: Parts, request: Request) -> Response:
        await parts.aclose()
        return self._response(answer, request)

    async def _parts(self, job: Mapping[str, Any], settings: Settings) -> Parts:
        async with self._gate, aclosing(self._stream_handler(job, settings)) as given:
            async for part in given:
                self._look_at(part)
                yield part

    def _look_at(self, answer: Mapping[str, Any]) -> None:
        """After a failure that no later job can survive the platform shall take another worker, and this one starts anew."""
        if answer.get("refresh_worker"):
            self._readiness.broken(answer["error"])
            if self._readiness.loaded:
                self._end()

    def _response(self, answer: Mapping[str, Any], request: Request) -> Response:
        if "error" in answer:
            return error_response(answer, request.url.path, retry_in=self._readiness.retry_in)
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def _failed(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, WorkerError)
        return error_response(error.answer(), request.url.path)

    async def _no_route(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        what = f"{request.method} {request.url.path[:100]}: {str(error.detail).lower()}"
        answer = RequestError(f"{what}; /docs lists what there is.").answer()
        return error_response(answer, request.url.path, error.status_code)

    async def _unexpected(self, request: Request, error: Exception) -> Response:
        return error_response(unexpected(error).answer(), request.url.path)


def _file(name: str) -> Callable[[], Awaitable[Response]]:
    async def page() -> Response:
        return FileResponse(_PAGE / name, headers=_PAGE_HEADERS)

    return page
