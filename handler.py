"""F5-TTS behind RunPod's job loop.

The container starts at once, whatever is broken: this module imports nothing heavier than the SDK, and the first request for
speech loads the model. What goes wrong with a job becomes its answer, in one place (``_answer``).
"""

import asyncio
import os
import threading
import time
import traceback
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from f5_worker.sdk import prepare_sdk_environment, processor_name_from_kernel

_sdk_problems = prepare_sdk_environment(os.environ)
with processor_name_from_kernel():
    import runpod  # reads the environment that the line above prepares

from bootstrap.in_use import hold_environment  # noqa: E402
from bootstrap.report import Report as BootstrapReport  # noqa: E402
from f5_worker import log  # noqa: E402
from f5_worker.endpoints.health import machine_facts, what_is_wrong  # noqa: E402
from f5_worker.errors import (  # noqa: E402
    EnvironmentFailedError,
    JobStopped,
    PackageMissingError,
    SettingsError,
    WorkerError,
)
from f5_worker.job.context import Job, Stopwatch  # noqa: E402
from f5_worker.runtime.load_errors import missing_package  # noqa: E402
from f5_worker.runtime.load_once import LoadOnce  # noqa: E402
from f5_worker.settings import Settings, load_settings  # noqa: E402

if TYPE_CHECKING:
    from f5_worker.job.request import DeleteVoiceRequest, DownloadRequest, TtsRequest, UploadRequest
    from f5_worker.model.load import LoadedModel
    from f5_worker.resources import Studio

# The global model state: set by the first request that needs speech, and by nothing else.
f5tts_model: "LoadedModel | None" = None
model_load_error: str | None = None

_started_at = time.monotonic()
_jobs = {"completed": 0, "failed": 0, "stopped": 0}


# --- The model ---------------------------------------------------------------------------------------------------------------


def initialize_models() -> bool:
    """Load the model unless it is loaded; ``False`` where that failed, with the reason in ``model_load_error``.

    Of several callers at once one loads and the others wait for it. After a failure, callers within ``MODEL_RETRY_SECONDS`` get
    the same answer at once; the first one after that tries again.
    """
    try:
        _loaded_model()
    except WorkerError as error:
        log.error(error.message)
        return False
    return True


def _loaded_model() -> "LoadedModel":
    """The model, loaded if need be.

    Raises:
        ModelUnavailableError: one of its kinds; its message starts with "Model not available".
        SettingsError: when the settings cannot work.
    """
    global f5tts_model, model_load_error
    try:
        f5tts_model = _model.get()
    except WorkerError as error:
        model_load_error = error.message
        raise
    model_load_error = None
    return f5tts_model


def _load() -> "LoadedModel":
    try:
        settings = _settings()
        from f5_worker.model.load import load_model

        return load_model(settings)
    except ImportError as error:
        failure: WorkerError = _package_missing(missing_package(error))
    except PackageMissingError as error:
        failure = _package_missing(error)
    except WorkerError as error:
        failure = error
    raise type(failure)(f"Model not available: {failure.message}", **failure.details)


def _retry_seconds() -> float:
    try:
        return _settings().model_retry_seconds
    except SettingsError:
        return 0.0  # nothing was tried that a later job would have to be spared


_model = LoadOnce(_load, _retry_seconds)


def _package_missing(error: PackageMissingError) -> PackageMissingError:
    """The error, or in its place why the bootstrap could not build the environment that holds the package."""
    report = BootstrapReport.from_environment(os.environ)
    if report is None or report.speech:
        return error
    # Not before the report's time: a worker that is replaced at once would build, and fail, in a tight loop.
    is_time = report.refresh_after is not None and time.monotonic() - _started_at >= report.refresh_after
    kind = EnvironmentFailedError if is_time else PackageMissingError
    return kind(f"{report.reason} {report.mend} Until then, speech is not available: {error.message}", **error.details)


@cache
def _settings() -> Settings:
    return load_settings()


@cache
def _studio() -> "Studio":
    from f5_worker.resources import Studio

    return Studio(_settings(), _loaded_model)


# --- Speech ------------------------------------------------------------------------------------------------------------------


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

    ``options`` are further fields of a ``tts`` job: ``nfe_step``, ``cfg_strength``, ``output_format`` and so on.

    Returns:
        ``(path, duration in seconds, None)``, where the file and its folder belong to the caller, or
        ``(None, 0.0, what is wrong and what to do)``.
    """
    if not initialize_models():
        return None, 0.0, model_load_error
    try:
        from f5_worker.delivery.workspace import kept_folder
        from f5_worker.endpoints.tts import speak
        from f5_worker.job.request import TtsRequest, parse_job
        from f5_worker.voice.source import obtain_reference, read_local_reference

        given = {"text": text, "speed": speed, "seed": seed, "ref_text": ref_text, **options}
        parsed = parse_job({"input": {name: value for name, value in given.items() if value is not None}}, _settings())
        request, job, studio = parsed.request, Job(_settings(), parsed.s3), _studio()
        assert isinstance(request, TtsRequest)
        if voice_path is None:
            clip = obtain_reference(request, job, studio.references)
        else:
            clip = read_local_reference(Path(voice_path), ref_text, job, studio.references)
        with kept_folder() as folder:
            spoken = speak(request, clip, [folder], job, Stopwatch(), studio)
    except WorkerError as error:
        return None, 0.0, error.message
    return str(spoken.path), spoken.speech.duration, None


# --- The endpoints -----------------------------------------------------------------------------------------------------------


def tts(request: "TtsRequest", job: Job) -> dict[str, Any]:
    """Speech: from the checked request to the answer."""
    from f5_worker.delivery.deliver import deliver_audio
    from f5_worker.delivery.workspace import job_folders
    from f5_worker.endpoints.tts import speak, speech_fields
    from f5_worker.voice.source import obtain_reference

    _model.raise_remembered()  # before a reference is fetched and transcribed in vain
    result_id, clock, studio = str(uuid.uuid4()), Stopwatch(), _studio()
    clip = obtain_reference(request, job, studio.references)
    with job_folders() as folders:
        spoken = speak(request, clip, folders, job, clock, studio)
        delivery = deliver_audio(
            spoken.path, job_id=result_id, output_format=request.output_format, settings=job.settings, s3=job.s3
        )
    clock.lap("upload")
    return {
        **delivery.answer(),
        **speech_fields(request, spoken, clock),
        "status": "completed",
        "job_id": result_id,
        "warnings": [*spoken.clip.warnings, *job.warnings, *delivery.warnings],
    }


def upload(request: "UploadRequest", job: Job) -> dict[str, Any]:
    """Check a clip and store it as a voice."""
    from f5_worker.voice.clip import MAX_UPLOAD_SECONDS, check_reference
    from f5_worker.voice.download import decode_base64, fetch_url
    from f5_worker.voice.store import store_voice

    storage, limit = job.storage(), job.settings.max_reference_bytes
    if request.voice_file_url is not None:
        field = "voice_file_url"
        data = fetch_url(request.voice_file_url, max_bytes=limit, timeout=job.settings.download_timeout, field=field)
    else:
        field = "voice_base64"
        data = decode_base64(request.voice_base64 or "", max_bytes=limit, field=field)
    checked = check_reference(
        data, ref_text=request.ref_text, settings=job.settings, field=field, max_seconds=MAX_UPLOAD_SECONDS
    )
    duration = round(checked.duration, 3)
    store_voice(storage, request.voice_name, data, duration=duration, ref_text=request.ref_text, overwrite=request.overwrite)
    return {
        "status": "success",
        "message": f"Voice {request.voice_name} is stored.",
        "name": request.voice_name,
        "duration": duration,
        "ref_text": request.ref_text,
        "warnings": list(checked.warnings),
    }


def list_voices(job: Job) -> dict[str, Any]:
    """All stored voices."""
    from f5_worker.voice.store import list_voices as stored_voices

    voices = [voice.answer() for voice in stored_voices(job.storage())]
    return {"status": "success", "voices": voices, "count": len(voices)}


def delete_voice(request: "DeleteVoiceRequest", job: Job) -> dict[str, Any]:
    """Remove a stored voice."""
    from f5_worker.voice.store import delete_voice as delete_stored_voice

    delete_stored_voice(job.storage(), request.voice_name)
    return {"status": "success", "name": request.voice_name}


def download(request: "DownloadRequest", job: Job) -> dict[str, Any]:
    """A result of an earlier job: a fresh URL and, where it fits, the data itself."""
    from f5_worker.delivery.deliver import find_result, inline_result

    result = find_result(job.storage(), request.job_id, request.type, request.format)
    answer = {
        "status": "ready",
        f"{request.type}_url": result.url,
        "content_type": result.content_type,
        "filename": result.filename,
        "format": result.format,
    }
    data = inline_result(job.storage(), result, job.settings.max_inline_bytes) if request.inline else None
    return answer if data is None else {**answer, f"{request.type}_data": data}


def health(settings: Settings, problem: SettingsError | None) -> dict[str, Any]:
    """How the worker is; loads nothing."""
    model: dict[str, Any] = {"loaded": f5tts_model is not None, "name": Path(settings.model).name}
    if f5tts_model is not None:
        model.update(device=f5tts_model.device, dtype=str(f5tts_model.dtype).removeprefix("torch."))
    if model_load_error is not None:
        model.update(error=model_load_error, retry_in=round(_model.retry_in, 1))
    wrong_settings = [*_sdk_problems, *(problem.details["problems"] if problem else [])]
    report, facts = BootstrapReport.from_environment(os.environ), machine_facts(settings)
    problems = [*wrong_settings, *([model_load_error] if model_load_error else []), *what_is_wrong(facts)]
    if report is not None and report.reason:
        problems.append(f"{report.reason} {report.mend or ''}".strip())
    return {
        "status": "degraded" if problems else "healthy",
        "problems": problems,
        "model": model,
        "settings": {"problems": wrong_settings},
        "bootstrap": report.public() if report else None,
        **facts,
        "uptime": round(time.monotonic() - _started_at, 1),
        "jobs": dict(_jobs),
    }


# --- The job loop ------------------------------------------------------------------------------------------------------------


async def handler(job: dict[str, Any]) -> dict[str, Any]:
    """The SDK's handler: the work goes on in a thread, so that polling and stop signals go on too."""
    stop = threading.Event()
    token = log.current_job_id.set(job.get("id"))
    try:
        answer = await asyncio.to_thread(_answer, job, stop)
    except asyncio.CancelledError:
        stop.set()
        _jobs["stopped"] += 1
        raise
    finally:
        log.current_job_id.reset(token)
    _jobs["failed" if "error" in answer else "completed"] += 1
    return answer


def _answer(raw: Mapping[str, Any], stop: threading.Event) -> dict[str, Any]:
    """Run one job to its answer; the only place where errors become one."""
    try:
        return _run(raw, stop)
    except JobStopped:
        log.info("The job was stopped; its work has ended")
        return {}
    except WorkerError as error:
        failure = error
    except ImportError as error:
        failure = _package_missing(missing_package(error))
    except Exception as error:  # noqa: BLE001 - the SDK posts a traceback for what escapes, and users must get an answer
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error(f"Unexpected {type(error).__name__} in {Path(place.filename).name}:{place.lineno} ({place.name})")
        failure = WorkerError(
            f"The worker failed unexpectedly ({type(error).__name__}); send the job again, and report it with the worker's log."
        )
    log.error(f"{type(failure).__name__}: {failure.message}")
    return failure.answer()


def _run(raw: Mapping[str, Any], stop: threading.Event) -> dict[str, Any]:
    from f5_worker.job import request as job_input

    problem = None
    try:
        settings = _settings()
    except SettingsError as error:
        settings, problem = Settings(), error
    parsed = job_input.parse_job(raw, settings)
    request = parsed.request
    if isinstance(request, job_input.HealthRequest):
        return health(settings, problem)
    if problem is not None:
        raise problem
    job = Job(settings, parsed.s3, stop)
    match request:
        case job_input.TtsRequest():
            return tts(request, job)
        case job_input.UploadRequest():
            return upload(request, job)
        case job_input.ListVoicesRequest():
            return list_voices(job)
        case job_input.DeleteVoiceRequest():
            return delete_voice(request, job)
        case job_input.DownloadRequest():
            return download(request, job)


def main() -> None:
    """Start the job loop; nothing that is broken keeps it from starting."""
    for problem in _sdk_problems:
        log.warn(problem)
    try:
        background = _settings().model_loading == "background"
    except SettingsError as error:
        background = False
        log.error(error.message)
    if background:
        threading.Thread(target=initialize_models, name="model-loading", daemon=True).start()
    hold_environment(os.environ)
    log.info(f"Models load {'in the background' if background else 'on the first request'}; the worker is ready for jobs")
    runpod.serverless.start({"handler": handler})


if __name__ == "__main__":
    main()
