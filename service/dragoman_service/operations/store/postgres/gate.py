"""When a process may connect to the database: so that all processes together do not storm one that comes back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

SHORTEST, LONGEST = 0.2, 10.0  # seconds between two attempts
CALM = 3.0  # seconds after an outage in which the connections of a process are made one after the other
SPACING = (0.2, 0.8)  # seconds between two of them
OUTAGE = 2  # failed attempts in a row that make an outage; a single one may be chance


class AwayError(ConnectionError):
    """The last attempt to connect has failed, and it is too early for the next one."""


class Gate:
    """Lets one attempt at a time through. After a failure there is none for a while, which grows while they fail.

    The while is random, between 0.2 s and a limit that doubles up to 10 s, because the attempts of many processes
    that lost the database at the same moment would come at the same moment too.
    """

    def __init__(self, draw: Callable[[float, float], float] = random.uniform) -> None:
        """`draw` chooses a number between two."""
        self._draw = draw
        self._turn = asyncio.Lock()
        self._failures = 0
        self._next = self._calm = 0.0  # by the clock of the event loop
        self.repeated = 0
        """The attempts so far that followed a failed one."""

    async def attempt(self, connect: Callable[[], Awaitable[T]], *, patient: bool = False) -> T:
        """The result of `connect`. Raises what it raises, and AwayError if it is too early; if `patient`, it waits."""
        while True:
            async with self._turn:
                left = self._next - asyncio.get_running_loop().time()
                if left <= 0:
                    return await self._attempted(connect)
                if not (patient or self._failures):
                    await asyncio.sleep(left)
                    return await self._attempted(connect)
            if not patient:
                raise AwayError(f"the last attempt to connect has failed; the next one is in {left:.1f} s")
            await asyncio.sleep(left)

    async def _attempted(self, connect: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        self.repeated += self._failures > 0
        try:
            connection = await connect()
        except Exception:
            self._failures += 1
            limit = min(LONGEST, SHORTEST * 2.0 ** min(self._failures, 16))
            self._next = loop.time() + self._draw(SHORTEST, limit)
            raise
        if self._failures >= OUTAGE:
            self._calm = loop.time() + CALM
        self._failures = 0
        if loop.time() < self._calm:
            self._next = loop.time() + self._draw(*SPACING)
        return connection
