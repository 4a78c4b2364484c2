"""How many jobs run at once, and how many wait for their turn."""

import asyncio
from types import TracebackType

from f5_worker.errors import TooManyRequestsError

WAITING_PER_PLACE = 8


class Gate:
    """``async with gate`` waits for one of ``places``. Of one event loop."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._most_waiting = places * WAITING_PER_PLACE
        self._waiting = 0

    async def __aenter__(self) -> None:
        if self._places.locked() and self._waiting >= self._most_waiting:
            raise TooManyRequestsError(
                f"{self._most_waiting} requests wait for their turn, which is the most; send this one again in a moment."
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._places.release()
