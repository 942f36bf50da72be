"""A time limit for frequent waits, because a timer for each wait costs more than most waits."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

_TICK = 0.001  # seconds, the resolution of the loop's clock


class TimeLimit:
    """Limits consecutive waits, each to its own end.

    `with limit.until(end): await …` raises TimeoutError as `asyncio.timeout_at` does. There is only one timer for all
    waits: when it fires, it checks whether the current wait is over, and otherwise sets itself again. Close the limit
    after the last wait.
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
        """The next wait ends at loop time `end`; None: no limit."""
        self._end = end
        return self

    def close(self) -> None:
        """Cancels the timer."""
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
            return  # no wait now: the next one sets the timer again
        if self._end > self._loop.time() + _TICK:
            self._set(self._end)
        else:
            self._expired = True
            self._task.cancel()
