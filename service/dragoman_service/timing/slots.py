"""Work that goes on when its caller has left, and keeps its slot meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Slots:
    """Runs at most `count` pieces of work at a time, for work that cannot be stopped once it has begun.

    Cancelling a caller does not stop the work: it keeps its slot until it ends. One that still waits never begins.
    """

    def __init__(self, count: int = 1) -> None:
        self._free = asyncio.Semaphore(count)

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `work` returns. It is called once there is a slot."""
        await self._free.acquire()
        running = asyncio.create_task(work())
        running.add_done_callback(self._end)
        return await asyncio.shield(running)

    def _end(self, running: asyncio.Task[Any]) -> None:
        self._free.release()
        if not running.cancelled():
            running.exception()  # retrieved, in case nobody waits any more
