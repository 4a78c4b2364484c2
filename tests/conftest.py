"""Fixtures that several test modules use."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support.fresh_worker import fresh_worker
from tests.support.processes import environment, job_api
from tests.support.s3_server import s3_config, s3_server

if TYPE_CHECKING:
    from f5_worker.model.load import LoadedModel
    from tests.support.judge import Judge

# How long an example takes says more about what else the machine does.
settings.register_profile("worker", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("worker")

__all__ = ["environment", "fresh_worker", "job_api", "s3_config", "s3_server"]


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny Whisper checkpoint, for ``ASR_MODEL``."""
    from tests.support.tiny_whisper import make_tiny_whisper  # imports torch and transformers, which few tests need

    return make_tiny_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="session")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real English Whisper, for ``ASR_MODEL``."""
    from tests.support.whisper import shared_whisper

    return shared_whisper(tmp_path_factory)


@pytest.fixture(scope="session")
def judge(whisper: Path) -> "Judge":
    """Who hears what is said."""
    from tests.support.judge import Judge

    return Judge(whisper)


@pytest.fixture(scope="session")
def smoke_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of the tiny model, for ``F5TTS_MODEL``; tests that change it work on a copy."""
    from f5_worker.model.smoke import make_model_folder

    folder = tmp_path_factory.mktemp("smoke-model")
    make_model_folder(folder)
    return folder


@pytest.fixture(scope="session")
def smoke_model(smoke_folder: Path) -> "LoadedModel":
    """The tiny model in memory."""
    from f5_worker.model.load import load_model
    from f5_worker.settings import load_settings

    return load_model(load_settings({"F5TTS_MODEL": str(smoke_folder), "F5TTS_DEVICE": "cpu"}))
