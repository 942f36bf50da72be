"""Counts the calls on both listeners, for a drain: it refuses new calls, waits for these, and ends the rest."""

from __future__ import annotations

import asyncio
from types import TracebackType
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
        self.counted = _Counted(self)
        """A context that counts one call for as long as it lasts."""

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

    def endable(self) -> _Endable:
        """A context in which `end_all` raises SHUTTING_DOWN in place of a cancellation."""
        return _Endable(self._tasks, self._ended)

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
        self.leave()
        self.held += not self._released.is_set()
        try:
            await self._released.wait()
        finally:
            self.enter()
        raise shutting_down()

    def enter(self) -> None:
        """Counts a call, until `leave`. See `counted`."""
        if not self.active:
            self._idle.clear()
        self.active += 1

    def leave(self) -> None:
        """A counted call has ended."""
        self.active -= 1
        if not self.active:
            self._idle.set()


# Classes, because every call enters both, and a function with `contextmanager` takes three times as long.
class _Counted:
    __slots__ = ("_calls",)

    def __init__(self, calls: InFlight) -> None:
        self._calls = calls

    def __enter__(self) -> None:
        self._calls.enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._calls.leave()


class _Endable:
    __slots__ = ("_ended", "_task", "_tasks")

    def __init__(self, tasks: set[asyncio.Task[Any]], ended: set[asyncio.Task[Any]]) -> None:
        self._tasks, self._ended = tasks, ended
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())

    def __enter__(self) -> None:
        self._tasks.add(self._task)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = self._task in self._ended
        self._tasks.discard(self._task)
        self._ended.discard(self._task)
        if ended and isinstance(error, asyncio.CancelledError) and not self._task.uncancel():
            raise shutting_down() from None
