"""Slow functions in a thread, so that the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
INLINE = 64 * 1024  # bytes that are converted so quickly that a thread is not worth its cost


class OffLoop:
    """Runs one function at a time.

    Threads share one interpreter lock: each further one that computes would delay the event loop by as much again.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def run(self, size: int, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`function(*args)`, in a thread if it has to convert more than `INLINE` bytes.

        Cancelling does not stop the function: its thread keeps the turn until it returns.
        """
        if size <= INLINE:
            return function(*args, **kwargs)
        await self._turn.acquire()
        running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
        running.add_done_callback(self._done)
        return await asyncio.shield(running)

    def _done(self, running: asyncio.Future[R]) -> None:
        self._turn.release()
        if not running.cancelled():
            running.exception()  # retrieved, in case nobody waits any more
