"""One line an event, through the SDK's logger, with the id of the job that the current context works for."""

import logging
from contextvars import ContextVar

from runpod.serverless.modules.rp_logger import RunPodLogger

current_job_id: ContextVar[str | None] = ContextVar("f5_worker_job_id", default=None)

_sdk = RunPodLogger()

# The SDK's import shows the INFO lines of every library: HTTP clients write each request's URL there, signature included.
logging.getLogger().setLevel(logging.WARNING)


def info(message: str) -> None:
    """Log ``message`` at INFO."""
    _sdk.info(message, current_job_id.get())


def warn(message: str) -> None:
    """Log ``message`` at WARN: the job goes on, but degraded."""
    _sdk.warn(message, current_job_id.get())


def error(message: str) -> None:
    """Log ``message`` at ERROR: the job ends with an error."""
    _sdk.error(message, current_job_id.get())
