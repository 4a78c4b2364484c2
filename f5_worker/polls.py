"""The polls of the job API: one that fails, or is not held open, is followed by a rest.

The SDK asks again at once, so while the API is away, or answers without waiting for news, the worker would spin.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from f5_worker import log
from f5_worker.sdk import TooManyRequests

HELD = 0.25
"""Seconds after which an answer counts as one that was waited for."""
FIRST_REST = 0.1
LONGEST_REST = {"failed": 5.0, "empty": 1.0}
"""Seconds. What was not held may bring a job at any moment; an API that fails, or has had too many polls, is left alone."""


class Poll:
    """One of the SDK's polls, called in its place. The rest is a part of the next call, so whatever cancels that ends it."""

    def __init__(self, poll: Callable[..., Any], *, is_news: Callable[[Any], bool] = bool) -> None:
        self._poll, self._is_news = poll, is_news
        self._rest = 0.0

    async def __call__(self, *arguments: object) -> Any:
        """What the poll brings, nothing of a 429.

        Raises:
            Exception: whatever the poll raises.
        """
        await asyncio.sleep(self._rest)
        began = time.monotonic()
        try:
            found = await self._poll(*arguments)
        except TooManyRequests:  # the SDK would wait by itself, and a shutdown for it
            self._rest = LONGEST_REST["failed"]
            log.warn(f"The job API has too many requests; it is asked again in {self._rest:g} s")
            return []
        except Exception:
            self._grow("failed")
            raise
        if self._is_news(found) or time.monotonic() - began >= HELD:
            self._rest = 0.0
        else:
            self._grow("empty")
        return found

    def _grow(self, kind: str) -> None:
        self._rest = min(max(FIRST_REST, 2 * self._rest), LONGEST_REST[kind])
