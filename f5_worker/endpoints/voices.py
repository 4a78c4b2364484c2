"""The voice store's endpoints."""

from typing import Any

from f5_worker.endpoints.health import word_timing_facts
from f5_worker.job.answer import MAX_ANSWER_BYTES
from f5_worker.job.context import Job
from f5_worker.job.request import DeleteVoiceRequest, ListVoicesRequest, UploadRequest
from f5_worker.voice import store
from f5_worker.voice.clip import MAX_UPLOAD_SECONDS, check_reference
from f5_worker.voice.download import decode_base64, fetch_url
from f5_worker.voice.reference import VoiceFile
from f5_worker.voice.shelves import open_shelf

_MAX_LISTING_BYTES = MAX_ANSWER_BYTES - 500_000


def upload(request: UploadRequest, job: Job) -> dict[str, Any]:
    """Check a clip and store it as a voice."""
    shelf, limit = open_shelf(job), job.settings.max_reference_bytes
    if request.voice_file_url is not None:
        field = "voice_file_url"
        data = fetch_url(request.voice_file_url, max_bytes=limit, timeout=job.settings.download_timeout, field=field)
    else:
        field = "voice_base64"
        data = decode_base64(request.voice_base64 or "", max_bytes=limit, field=field)
    checked = check_reference(VoiceFile(request.voice_name, data, request.ref_text, field), job.settings, MAX_UPLOAD_SECONDS)
    duration = round(checked.duration, 3)
    store.store_voice(
        shelf, request.voice_name, data, duration=duration, ref_text=request.ref_text, overwrite=request.overwrite
    )
    return {
        "status": "success",
        "message": f"Voice {request.voice_name} is stored.",
        "name": request.voice_name,
        "duration": duration,
        "ref_text": request.ref_text,
        "warnings": list(checked.warnings),
    }


def list_voices(request: ListVoicesRequest, job: Job) -> dict[str, Any]:
    """The stored voices, as many as are asked for and fit into an answer, and from where to go on."""
    page, more = store.list_page(open_shelf(job), request.start_after, request.limit, _MAX_LISTING_BYTES)
    answer: dict[str, Any] = {
        "status": "success",
        "voices": [voice.answer() for voice in page],
        "count": len(page),
        "word_timings": word_timing_facts(job.settings),
    }
    return {**answer, "more": True, "next_start_after": page[-1].name} if more else answer


def delete_voice(request: DeleteVoiceRequest, job: Job) -> dict[str, Any]:
    """Remove a stored voice."""
    store.delete_voice(open_shelf(job), request.voice_name)
    return {"status": "success", "name": request.voice_name}
