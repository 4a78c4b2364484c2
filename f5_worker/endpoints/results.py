"""The results of earlier jobs."""

from pathlib import Path
from typing import Any

from f5_worker.delivery.deliver import find_kept, find_result, inline, inline_result, store_result
from f5_worker.delivery.records import result_id
from f5_worker.errors import DeliveryError, NotFoundError, StorageError
from f5_worker.formats import CONTENT_TYPES
from f5_worker.job.context import Job
from f5_worker.job.request import DownloadRequest


def download(request: DownloadRequest, job: Job) -> dict[str, Any]:
    """A fresh URL and, where it fits, the data itself; also of a result that only this worker or the network volume has."""
    name, limit = result_id(request.job_id), job.settings.max_inline_bytes
    try:
        result = find_result(job.storage(), name, request.type, request.format)
    except (NotFoundError, StorageError):
        kept = find_kept(job.settings, name, request.type, request.format)
        if kept is None:
            raise
        return _kept(kept, name, request, job)
    data = inline_result(job.storage(), result, limit) if request.inline else None
    return _answer(request, result.format, result.filename, result.url, data)


def _kept(path: Path, name: str, request: DownloadRequest, job: Job) -> dict[str, Any]:
    form, size, limit = path.suffix[1:], path.stat().st_size, job.settings.max_inline_bytes
    url = None
    if job.s3 is not None:
        try:
            url = store_result(job.s3, path, request.type, name, form)
        except StorageError as error:
            job.warnings.append(f"The upload to S3 failed: {error.message}")
    data = inline(path) if size <= limit and (request.inline or url is None) else None
    if url is None and data is None:
        raise DeliveryError(
            f"The {request.type} is kept on this worker, but has {size:,} bytes, more than the {limit:,} that fit into an "
            "answer: set S3_BUCKET and its credentials, or send s3Config, and ask again.",
            size=size,
            limit=limit,
        )
    return {**_answer(request, form, path.name, url, data), **({"warnings": job.warnings} if job.warnings else {})}


def _answer(request: DownloadRequest, form: str, filename: str, url: str | None, data: str | None) -> dict[str, Any]:
    answer = {
        "status": "ready",
        f"{request.type}_url": url,
        "content_type": CONTENT_TYPES[request.type][form],
        "filename": filename,
        "format": form,
        f"{request.type}_data": data,
    }
    return {field: value for field, value in answer.items() if value is not None}
