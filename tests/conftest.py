"""Fixtures that several test modules use."""

from tests.s3_server import s3_config, s3_server

__all__ = ["s3_config", "s3_server"]
