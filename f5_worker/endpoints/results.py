"""The results of earlier jobs."""

from typing import Any

from f5_worker.delivery.deliver import find_result, inline_result
from f5_worker.job.context import Job
from f5_worker.job.request import DownloadRequest


def download(request: DownloadRequest, job: Job) -> dict[str, Any]:
    """A fresh URL and, where it fits, the data itself."""
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
