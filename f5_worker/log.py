"""One line an event, through the SDK's logger, with the id of the job that the current context works for."""

from contextvars import ContextVar

from f5_worker.sdk import RunPodLogger

current_job_id: ContextVar[str | None] = ContextVar("f5_worker_job_id", default=None)

_sdk = RunPodLogger()


def info(message: str) -> None:
    """Something happened as it should."""
    _sdk.info(message, current_job_id.get())


def warn(message: str) -> None:
    """The job goes on, but degraded."""
    _sdk.warn(message, current_job_id.get())


def error(message: str) -> None:
    """The job, or the load, ends with an error."""
    _sdk.error(message, current_job_id.get())
