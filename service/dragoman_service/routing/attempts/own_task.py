"""The events of an attempt, read in a task of their own: so its reader can leave while its provider hangs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Self

from dragoman import v1

CLOSE_GRACE = 1.0  # seconds in which an attempt has to close its upstream
MAX_WAITING = 16  # events that wait for the reader before the provider is paused


class OwnTask:
    """Reads `events` from now on. `abandon` gets the task if it does not end within `CLOSE_GRACE` of `aclose`."""

    def __init__(
        self,
        events: AsyncIterator[v1.CompletionEvent],
        name: str,
        abandon: Callable[[asyncio.Task[None]], None],
    ) -> None:
        self._waiting: deque[v1.CompletionEvent] = deque()
        self._changed = asyncio.Event()  # set for the reader: an event waits, or the end is known
        self._space = asyncio.Event()  # set for the task: the reader has taken events
        self._over = False
        self._fault: Exception | None = None
        self._abandon = abandon
        self._task = asyncio.get_running_loop().create_task(self._read(events), name=name)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> v1.CompletionEvent:
        while not self._waiting:
            if self._fault is not None:
                raise self._fault
            if self._over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        self._space.set()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        """Stops the provider's work. Returns when it has stopped, or after `CLOSE_GRACE`."""
        if self._task.done():
            return
        self._task.cancel()
        try:
            await asyncio.wait((self._task,), timeout=CLOSE_GRACE)
        finally:
            if not self._task.done():
                self._abandon(self._task)

    async def _read(self, events: AsyncIterator[v1.CompletionEvent]) -> None:
        try:
            async with aclosing(events):  # type: ignore[type-var]
                async for event in events:
                    self._waiting.append(event)
                    self._changed.set()
                    while len(self._waiting) >= MAX_WAITING:
                        self._space.clear()
                        await self._space.wait()
        except Exception as fault:  # noqa: BLE001 - raised again in the reader
            self._fault = fault
        finally:
            self._over = True
            self._changed.set()
