"""The tests: one folder a room; support/ holds the real parts they run against."""

import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

PATIENCE = 300.0
"""Seconds until a test takes what it waits for as hung. No verdict on speed: a busy machine may be slow."""


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for a condition that another thread or process fulfils."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
