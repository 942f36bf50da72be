"""A limit on waiting, for those who wait often: a timer for each wait costs more than most waits do."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

_TICK = 0.001  # seconds: what the clock of the loop is exact to


class TimeLimit:
    """Bounds waits that come one after another, each to an end of its own.

    `with limit.until(end): await …` raises TimeoutError as `asyncio.timeout_at` does. There is one timer, however many
    waits there are: it looks whether it is time when it fires. Close it when no wait comes any more.
    """

    __slots__ = ("_cancelling", "_end", "_expired", "_loop", "_set_for", "_task", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._set_for = 0.0
        self._end: float | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._expired = False

    def until(self, end: float | None) -> Self:
        """The next wait ends at `end` of the loop's time; None: no limit."""
        self._end = end
        return self

    def close(self) -> None:
        """Sets the timer free."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> None:
        if self._end is None:
            return
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can wait")
        self._task, self._cancelling = task, task.cancelling()
        if self._timer is None or self._end < self._set_for:
            self._set(self._end)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._expired and task is not None:
            self._expired = False
            if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _set(self, end: float) -> None:
        self.close()
        self._set_for = end
        self._timer = self._loop.call_at(end, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._task is None or self._end is None:
            return  # nobody waits: the next who does sets it again
        if self._end > self._loop.time() + _TICK:
            self._set(self._end)
        else:
            self._expired = True
            self._task.cancel()
