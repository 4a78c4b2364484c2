"""What was made for which of the platform's jobs: one that is handed out twice is answered again, not made again.

The platform hands a job out again when its answer did not arrive, to this worker or to another. Answers are kept in memory
and, where the result lies in S3, beside it under ``jobs/``. Their URLs are signed anew: they may have expired since.
"""

import json
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any

import s3_utils
from f5_worker import log
from f5_worker.delivery.deliver import sign_result
from f5_worker.errors import JobStopped, StorageError
from f5_worker.job.context import Job
from f5_worker.s3_config import S3Config

_NAMESPACE = uuid.UUID("6f5b7d0e-52f1-4d0c-9a3a-3d1f0f5e7a55")  # any, but always the same
_MAX_RECORD_BYTES = 4 * 1024 * 1024
_KEPT_BYTES = 64 * 1024 * 1024
_PATIENCE = 1.0  # seconds that a job is held up by a bucket that does not answer


def result_id(platform_id: str) -> str:
    """The UUID under which the result of one of the platform's jobs is stored; a UUID stands for itself."""
    try:
        return str(uuid.UUID(platform_id))
    except ValueError:
        return str(uuid.uuid5(_NAMESPACE, platform_id.encode("utf-8", "replace").decode()))


class Records:
    """Answers by job. Thread-safe."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._kept_bytes = kept_bytes

    def look(self, job: Job) -> "Future[dict[str, Any] | None]":
        """Look for the answer to a job, beside whatever the caller does meanwhile; see ``answer_in_time``.

        One to another input under the same id is not taken. What cannot be read counts as not there: the job is made.
        """
        found: Future[dict[str, Any] | None] = Future()
        key = _key(job)
        with self._lock:
            kept = self._answers.get(key) if key else None
        if kept is not None:
            found.set_result(_signed_anew(json.loads(kept), job.s3))
        elif key is None or job.s3 is None:
            found.set_result(None)
        else:
            arguments = (_read_into, found, job.s3, *key)
            threading.Thread(target=copy_context().run, args=arguments, name="records", daemon=True).start()
        return found

    def keep(self, job: Job, answer: Mapping[str, Any]) -> None:
        """Keep the answer to a job. A bucket that does not take it is no failure of the job."""
        key = _key(job)
        if key is None:
            return
        data = json.dumps(answer).encode()
        with self._lock:
            self._answers[key] = data
            while sum(map(len, self._answers.values())) > self._kept_bytes:
                self._answers.popitem(last=False)
        if job.s3 is not None and any(_stored_in(answer)):
            record = json.dumps({"digest": job.digest, "answer": answer}).encode()
            try:
                s3_utils.put_bytes(job.s3, _record_key(key[0]), record, "application/json")
            except StorageError as error:
                log.warn(f"The answer is not kept for a second asking: {error.message}")


def _key(job: Job) -> tuple[str, str] | None:
    return (result_id(job.id), job.digest) if job.id and job.settings.on_runpod else None


def _record_key(result: str) -> str:
    return f"jobs/{result}.json"


def answer_in_time(found: "Future[dict[str, Any] | None]") -> dict[str, Any] | None:
    """The answer that was looked for; a bucket that is slow to tell counts as one that has none."""
    try:
        return found.result(_PATIENCE)
    except TimeoutError:
        return None


def _read_into(found: "Future[dict[str, Any] | None]", s3: S3Config, result: str, digest: str) -> None:
    found.set_result(_read(s3, result, digest))


def _read(s3: S3Config, result: str, digest: str) -> dict[str, Any] | None:
    try:
        record = json.loads(s3_utils.get_bytes(s3, _record_key(result), _MAX_RECORD_BYTES))
        if record["digest"] != digest:
            return None
        return _signed_anew(record["answer"], s3)
    except (StorageError, JobStopped, ValueError, KeyError, TypeError):
        return None


def _signed_anew(answer: dict[str, Any], s3: S3Config | None) -> dict[str, Any]:
    if s3 is not None:
        for part in _stored_in(answer):
            part["audio_url"] = sign_result(s3, "audio", part["job_id"], part["output_format"])
    return answer


def _stored_in(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer, and those to its items, whose result lies in S3."""
    return (part for part in (answer, *answer.get("items", ())) if "audio_url" in part)
