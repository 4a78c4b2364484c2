"""Folders of jobs: gone with the job, and after a kill with the next start."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from f5_worker.delivery import workspace
from tests import REPOSITORY


def test_what_a_killed_worker_left_is_swept_and_what_a_job_uses_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import os, signal
from f5_worker.delivery.workspace import job_folders
with job_folders() as folders:
    (folders[0] / "speech.wav").write_bytes(b"x")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    env = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with workspace.job_folders() as (mine, *_):
        workspace.sweep()
        assert mine.is_dir()
        assert not left.exists()
    assert list(tmp_path.iterdir()) == []
