"""Holds what comes in small pieces for a moment, so that several pieces cost one delivery."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Protocol

from dragoman_service.timing.load import Load

LONGEST = 0.1  # seconds that a piece is held where the settings name no time
_TICKS = 8  # in the time that a piece is held; each wakes all that is due


class Held(Protocol):
    """What holds pieces."""

    def release(self, number: int) -> None:
        """What was taken in with `number` is due."""
        ...


class Holding:
    """Says which pieces are held, and when they are due, for everything on one event loop.

    A piece is held until `seconds` after the last delivery to the same reader, or up to an eighth of that less,
    because all that is due at about the same time shares one timer. A piece that comes later than that is not held, so
    that a reader gets at most one delivery in that time and waits for none at a slower pace. `load`: only while it is
    busy; None: always.
    """

    def __init__(self, seconds: float, load: Load | None = None, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.seconds = seconds
        self._load = load
        self._loop = loop or asyncio.get_running_loop()
        self._tick = seconds / _TICKS
        self._due: dict[int, list[Held]] = {}  # by the number of the tick
        self._timer: asyncio.Handle | None = None
        self._next = 0  # the tick that it is set for, which not every loop's handles tell

    def time(self) -> float:
        """The loop's time."""
        return self._loop.time()

    def take(self, held: Held, since: float) -> int:
        """Calls `held.release` with the number that this returns once the piece is due; 0: it is not to be held.

        `since` is the loop's time of the last delivery.
        """
        number = int((since + self.seconds) / self._tick)
        if number * self._tick <= self._loop.time() or (self._load is not None and not self._load.busy()):
            return 0
        if number in self._due:
            self._due[number].append(held)
        else:
            self._due[number] = [held]
            self._set()
        return number

    def _set(self) -> None:
        """Sets the timer for the next tick at which something is due."""
        number = min(self._due)
        if self._timer is not None:
            if self._next <= number:
                return
            self._timer.cancel()
        self._next = number
        self._timer = self._loop.call_at(number * self._tick, self._release)

    def _release(self) -> None:
        self._timer = None
        now = int(self._loop.time() / self._tick + 0.01)  # timers have the resolution of the loop's clock
        for number in [number for number in self._due if number <= now]:
            for held in self._due.pop(number):
                held.release(number)
        if self._due:
            self._set()


HOLDING: ContextVar[Holding | None] = ContextVar("HOLDING", default=None)
"""For the answers of all upstreams that are opened in this context; None: nothing is held."""
