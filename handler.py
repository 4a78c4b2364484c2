"""F5-TTS behind RunPod's job loop.

The container starts at once, whatever is broken: this module imports nothing heavier than the SDK, and the first request for
speech loads the model. What goes wrong with a job becomes its answer, in one place (``_parts``).
"""

import os
import sys

if __name__ == "__main__":  # run, not imported: first find the Python that can
    sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - which -I and PYTHONSAFEPATH leave out
    from bootstrap.variables import settle

    settle()
    import signal

    from bootstrap.enter import enter, leave_an_old_python

    leave_an_old_python()
    from f5_worker.cli.arguments import Serve, read_command_line

    command_line = read_command_line(sys.argv[1:], os.environ)  # help, and what is wrong, before anything is built
    if isinstance(command_line, Serve):
        from f5_worker.front.meanwhile import answering

        with answering(command_line.host, command_line.port, os.environ):
            enter("f5_worker.sdk")
    else:
        enter("f5_worker.sdk")
    if command_line is not None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback out of the imports; cli/run.py takes over

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeAlias

from bootstrap import guard, opened
from f5_worker import log, sdk, streams
from f5_worker.delivery import workspace
from f5_worker.errors import JobStopped, WorkerError, place_of, unexpected
from f5_worker.job.answer import answer_limit, for_result, for_stream, valid_answer
from f5_worker.job.context import Job, Stop
from f5_worker.loop import StreamHandler, each_in_thread, in_thread, serve
from f5_worker.network import stopping
from f5_worker.resources import Resources
from f5_worker.runtime import memory

if TYPE_CHECKING:
    from f5_worker.cli.arguments import CommandLine
    from f5_worker.job.items import ItemsRequest
    from f5_worker.job.request import (
        DeleteVoiceRequest,
        DownloadRequest,
        HealthRequest,
        ListVoicesRequest,
        TtsRequest,
        UploadRequest,
    )
    from f5_worker.settings import Settings

Parts: TypeAlias = Generator[dict[str, Any], None, None]
"""The parts of a job's answer, of which the last is the whole."""

resources = Resources(os.environ)
"""The global model state, with all that lives as long as the worker. Made before the first thread; loads nothing."""


def __getattr__(name: str) -> Any:
    """``f5tts_model`` is the loaded model or ``None``; ``model_load_error`` says why the last load failed, or is ``None``."""
    if name == "f5tts_model":
        return resources.model.value
    if name == "model_load_error":
        return resources.model.error.message if resources.model.error else None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# --- What users of the old system know ---------------------------------------------------------------------------------------


def initialize_models() -> bool:
    """Load the model unless it is loaded; ``False`` where that failed, with the reason in ``model_load_error``.

    Of several callers at once one loads and the others wait for it. After a failure, callers within ``MODEL_RETRY_SECONDS`` get
    the same answer at once; the first one after that tries again.
    """
    try:
        resources.model.get()
    except WorkerError as error:
        log.error(error.message)
        return False
    return True


def generate_tts_audio(
    text: str,
    voice_path: str | None = None,
    speed: float = 1.0,
    seed: int | None = None,
    *,
    ref_text: str | None = None,
    **options: Any,
) -> tuple[str | None, float, str | None]:
    """Speak ``text`` in the voice of the audio file ``voice_path`` (``None``: the built-in voice).

    ``options`` are further fields of a ``tts`` job: ``nfe_step``, ``voices``, ``output_format`` and so on.

    Returns:
        ``(path, duration in seconds, None)``, where the file and its folder belong to the caller, or
        ``(None, 0.0, what is wrong and what to do)``.
    """
    if not initialize_models():
        return None, 0.0, __getattr__("model_load_error")
    try:
        from f5_worker.endpoints.to_file import speak_to_file

        fields = {"text": text, "speed": speed, "seed": seed, "ref_text": ref_text, **options}
        path, duration = speak_to_file(fields, voice_path, resources)
    except WorkerError as error:
        return None, 0.0, error.message
    return str(path), duration, None


# --- The endpoints -----------------------------------------------------------------------------------------------------------


def tts(request: "TtsRequest", job: Job) -> Parts:
    """Speech."""
    from f5_worker.endpoints.tts import tts

    with resources.scheduler.coming(job.stop):
        yield from tts(request, job, resources)


def items(request: "ItemsRequest", job: Job) -> Parts:
    """Speech of several texts: a ``tts`` job with ``items``."""
    from f5_worker.endpoints.items import speak_items

    with resources.scheduler.coming(job.stop):
        yield speak_items(request, job, resources)


def upload(request: "UploadRequest", job: Job) -> Parts:
    """Check a clip and store it as a voice."""
    from f5_worker.endpoints.voices import upload

    yield upload(request, job)


def list_voices(request: "ListVoicesRequest", job: Job) -> Parts:
    """All stored voices."""
    from f5_worker.endpoints.voices import list_voices

    yield list_voices(request, job)


def delete_voice(request: "DeleteVoiceRequest", job: Job) -> Parts:
    """Remove a stored voice."""
    from f5_worker.endpoints.voices import delete_voice

    yield delete_voice(request, job)


def download(request: "DownloadRequest", job: Job) -> Parts:
    """A result of an earlier job."""
    from f5_worker.endpoints.results import download

    yield download(request, job)


def health(request: "HealthRequest", job: Job) -> Parts:
    """How the worker is; needs no settings that can work, and loads nothing."""
    from f5_worker.endpoints.health import health

    yield health(request, job, resources)


ENDPOINTS: Mapping[str, Callable[[Any, Job], Parts]] = {
    endpoint.__name__: endpoint for endpoint in (tts, items, upload, list_voices, delete_voice, download, health)
}


# --- The job loop ------------------------------------------------------------------------------------------------------------


async def handler(job: Mapping[str, Any]) -> dict[str, Any]:
    """The SDK's handler: the work goes on in a thread, so that polling and stop signals go on too."""
    stop = Stop()
    try:
        answer = valid_answer(await in_thread(_last_part, job, stop), answer_limit(resources.settings))
    except asyncio.CancelledError:
        stop.set()
        resources.jobs["stopped"] += 1
        raise
    resources.jobs["failed" if "error" in answer else "completed"] += 1
    return answer


async def stream_handler(job: Mapping[str, Any], settings: "Settings | None" = None) -> AsyncGenerator[dict[str, Any], None]:
    """The SDK's handler with ``STREAMING``: each part as soon as it is made. Closing it stops the job.

    ``settings`` are those of this job alone, where they are others than the worker's.
    """
    stop = Stop()
    answer: dict[str, Any] = {"part": None}  # until the last one, which is no part, has come
    try:
        async with aclosing(each_in_thread(_parts, job, stop, settings)) as parts:
            async for part in parts:
                answer = valid_answer(part, answer_limit(resources.settings))
                yield answer
    finally:
        stop.set()
        resources.jobs["failed" if "error" in answer else "stopped" if "part" in answer else "completed"] += 1


_LONG_SPEECH = 60.0  # seconds


def _last_part(raw: Mapping[str, Any], stop: Stop) -> dict[str, Any]:
    return deque(_parts(raw, stop), maxlen=1).pop()


def _parts(raw: Mapping[str, Any], stop: Stop, settings: "Settings | None" = None) -> Parts:
    """Run one job to its answer, in a thread of its own; the only place where errors become one."""
    log.current_job_id.set(raw.get("id", log.current_job_id.get()))
    stopping.set(stop)
    try:
        part: dict[str, Any] = {}
        for part in _run(raw, stop, settings or resources.settings):
            yield part
        memory.trim(at_once=part.get("duration", 0) > _LONG_SPEECH)
        if opened.names is not None and "duration" in part:
            from f5_worker.runtime import touched

            touched.keep(resources.settings)
        return
    except JobStopped:
        log.info("The job was stopped; its work has ended")
        yield {}  # nobody waits for it
        return
    except WorkerError as error:
        failure = error
    except ImportError as error:
        failure = resources.package_missing(error)
    except Exception as error:  # noqa: BLE001 - the SDK posts a traceback for what escapes, and users must get an answer
        log.error(f"Unexpected {type(error).__name__} in {place_of(error)}")
        failure = unexpected(error)
    log.error(f"{type(failure).__name__}: {failure.message}")
    yield failure.answer()


def _run(raw: Mapping[str, Any], stop: Stop, settings: "Settings") -> Parts:
    from f5_worker.job.request import digest_of, parse_job

    parsed = parse_job(raw, settings)
    if resources.settings_error is not None and parsed.request.endpoint != "health":
        raise resources.settings_error.again()
    job_id = raw.get("id")
    known_id = job_id if isinstance(job_id, str) else None
    job = Job(settings, parsed.s3, stop, known_id, digest_of(raw), [*parsed.warnings], other_voices=parsed.other_voices)
    yield from ENDPOINTS[parsed.request.endpoint](parsed.request, job)


def main(command: "CommandLine" = None) -> None:
    """Run a local job, or start the job loop, which nothing that is broken keeps from starting."""
    streams.never_fail()
    if command is not None:
        from f5_worker.cli.arguments import Serve
        from f5_worker.cli.run import run

        if isinstance(command, Serve):
            from f5_worker.front.meanwhile import serve as serve_http

            front = resources.settings.front.at(command.host, command.port)
            sys.exit(serve_http(front, handler, stream_handler, resources))
        sys.exit(run(command, _last_part, resources))
    for problem in sdk.problems:
        log.warn(problem)
    if resources.settings_error is not None:
        log.error(resources.settings_error.message)
    threading.Thread(target=workspace.sweep, name="sweep", daemon=True).start()
    background = resources.settings.model_loading == "background"
    if background:
        threading.Thread(target=initialize_models, name="model-loading", daemon=True).start()
    guard.dismiss()
    log.info(f"Models load {'in the background' if background else 'on the first request'}; the worker is ready for jobs")
    try:
        settings = resources.settings
        streamed = StreamHandler(stream_handler, for_stream, lambda parts: for_result(parts, answer_limit(settings)))
        serve(streamed if settings.streaming else handler, concurrency=settings.max_concurrency, restart=settings.on_runpod)
    finally:
        if resources.standing_in and (model := resources.stand_in.value) is not None:
            log.warn(str(model.warning))  # what the SDK writes at the end of a local run would hide it
    if resources.settings.on_runpod:
        # Every job is answered, but a thread that hangs in an import or a connection would hold the exit up.
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main(command_line)
