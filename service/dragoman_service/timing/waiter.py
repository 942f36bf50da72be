"""One reader's wait for more, at the cost of a future. An `asyncio.Event` keeps a queue of readers."""

from __future__ import annotations

import asyncio


class Waiter:
    """What one reader waits with, in a loop over what it waits for, because it may be woken for nothing."""

    __slots__ = ("_future", "_loop")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._future: asyncio.Future[None] | None = None  # while the reader waits

    async def wait(self) -> None:
        """Returns with the next `wake`."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        self._future = loop.create_future()
        try:
            await self._future
        finally:
            self._future = None

    def wake(self) -> None:
        """Ends the wait, if there is one."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)
