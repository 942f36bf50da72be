"""Counts the calls under way on both listeners, because a drain refuses new calls and waits for these."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class InFlight:
    """One per process. Calls that are not counted, such as health checks, do not delay a drain."""

    def __init__(self) -> None:
        self.refusing = False
        """If true, the guards end new calls with SHUTTING_DOWN."""
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def idle(self) -> None:
        """Returns as soon as no call is under way."""
        await self._idle.wait()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts one call for as long as the context lasts."""
        self._active += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()
