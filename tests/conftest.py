"""Fixtures that several test modules use."""

from pathlib import Path

import pytest

from tests.processes import environment, job_api
from tests.s3_server import s3_config, s3_server

__all__ = ["environment", "job_api", "s3_config", "s3_server"]


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny Whisper checkpoint, for ``ASR_MODEL``."""
    from tests.tiny_whisper import make_tiny_whisper  # imports torch and transformers, which few tests need

    return make_tiny_whisper(tmp_path_factory.mktemp("whisper"))
