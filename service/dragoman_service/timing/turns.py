"""Long work on the event loop in short turns, so that everybody else is served in between."""

from __future__ import annotations

import asyncio
from collections import deque

TURN = 0.002  # seconds of work in one iteration of the loop


class Turns:
    """Shared by tasks that have long work to do on the event loop, such as decoding all that an upstream can send.

    However many they are, they work for about `turn` seconds in each iteration of the loop, so that it stays short.
    """

    def __init__(self, turn: float = TURN) -> None:
        self._turn = turn
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._began = 0.0  # loop time of the first work in this iteration
        self._iteration: asyncio.Handle | None = None  # the next one, in which the next of those who wait may work

    async def next(self) -> None:
        """Call it after each piece of work that took a millisecond or so. Waits if it is time for others."""
        loop = asyncio.get_running_loop()
        if self._iteration is None:
            self._began = loop.time()
            self._iteration = loop.call_soon(self._iterate)
            return
        if not self._waiting and loop.time() - self._began < self._turn:
            return
        mine = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _iterate(self) -> None:
        self._iteration = None
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():  # else it was cancelled
                loop = first.get_loop()
                first.set_result(None)
                self._began = loop.time()
                self._iteration = loop.call_soon(self._iterate)
                return
