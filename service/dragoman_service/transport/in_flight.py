"""Counts the calls on both listeners, for a drain: it refuses new calls, waits for these, and ends the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from dragoman_service.errors import overloaded, shutting_down

MAX_CALLS = 10_000  # on both listeners of a process


class InFlight:
    """One per process. Calls that are not counted, such as health checks, do not delay a drain.

    `limit` is how many calls may be under way.
    """

    def __init__(self, limit: int = MAX_CALLS) -> None:
        self.limit = limit
        self.refusing = False
        """If true, the guards end new calls with `refuse`."""
        self.active = 0
        """Calls under way, see `check`."""
        self.held = 0
        """How many calls have waited for `release`."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._released = asyncio.Event()
        self._released.set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ended: set[asyncio.Task[Any]] = set()

    async def idle(self) -> None:
        """Returns as soon as no call is under way."""
        await self._idle.wait()

    @property
    def may_be_full(self) -> bool:
        """Whether `check` is needed: the last counted call is one too many for some priority."""
        return self.active > self.limit // 2

    def check(self, *, low: bool, essential: bool) -> None:
        """Raises OVERLOADED if a counted call is one too many. Calls of low priority may use half of the places. Those
        that start no work are refused at twice the limit only, because their answers take memory as well."""
        limit = self.limit // 2 if low else self.limit
        if self.active > (2 * self.limit if essential else max(1, limit)):
            raise overloaded("Too many calls are under way.")

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts one call for as long as the context lasts."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def endable(self) -> Iterator[None]:
        """Raises SHUTTING_DOWN inside the context, in place of a cancellation, when `end_all` is called."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if task in self._ended and not task.uncancel():
                raise shutting_down() from None
            raise
        finally:
            self._tasks.discard(task)
            self._ended.discard(task)

    def end_all(self) -> None:
        """Ends the calls under way with SHUTTING_DOWN, also those that are not counted."""
        for task in self._tasks - self._ended:
            self._ended.add(task)
            task.cancel()

    def hold(self) -> None:
        """From now on new calls wait for `release`. A client that waits sends no call that a closing listener would
        receive and end in CANCELLED."""
        self._released.clear()

    def release(self) -> None:
        """Ends the calls that wait."""
        self._released.set()

    async def refuse(self) -> None:
        """Raises SHUTTING_DOWN. Call it for a counted call, which is not counted while it is held."""
        self._leave()
        self.held += not self._released.is_set()
        try:
            await self._released.wait()
        finally:
            self._enter()
        raise shutting_down()

    def _enter(self) -> None:
        self.active += 1
        self._idle.clear()

    def _leave(self) -> None:
        self.active -= 1
        if not self.active:
            self._idle.set()
