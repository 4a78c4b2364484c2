"""Fixtures that several test modules use."""

from tests.processes import environment, job_api
from tests.s3_server import s3_config, s3_server

__all__ = ["environment", "job_api", "s3_config", "s3_server"]
