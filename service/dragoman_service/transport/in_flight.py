"""The calls under way on both listeners: a drain refuses new ones and waits for these."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class InFlight:
    """One for a process. What is not counted, such as health checks, holds no drain up."""

    def __init__(self) -> None:
        self.refusing = False
        """New calls get SHUTTING_DOWN. Whoever begins one looks here first."""
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def idle(self) -> None:
        """Returns when no call is under way."""
        await self._idle.wait()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """A call is under way within the context."""
        self._active += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()
