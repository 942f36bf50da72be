"""A time limit for frequent waits, because a timer for each wait costs more than most waits."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

_TICK = 0.001  # seconds, the resolution of the loop's clock


class TimeLimit:
    """Limits consecutive waits, each to its own end.

    `with limit: await …` raises `error()` at `end`, otherwise as `asyncio.timeout_at` does. There is only one timer for
    all waits: when it fires, it checks whether the current wait is over, and otherwise sets itself again. Close the
    limit after the last wait.
    """

    __slots__ = ("_cancelling", "_expired", "_loop", "_set_for", "_task", "_timer", "end")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._set_for = 0.0
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._expired = False
        self.end: float | None = None
        """The loop time at which the next wait ends. None: no limit."""

    def error(self) -> Exception:
        """What ends a wait that takes too long."""
        return TimeoutError()

    def close(self) -> None:
        """Cancels the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> None:
        if self.end is None:
            return
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("only a task can wait")
        self._task, self._cancelling = task, task.cancelling()
        if self._timer is None or self.end < self._set_for:
            self._set(self.end)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._expired and task is not None:
            self._expired = False
            if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise self.error() from None

    def _set(self, end: float) -> None:
        self.close()
        self._set_for = end
        self._timer = self._loop.call_at(end, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._task is None or self.end is None:
            return  # no wait now: the next one sets the timer again
        if self.end > self._loop.time() + _TICK:
            self._set(self.end)
        else:
            self._expired = True
            self._task.cancel()
