"""How busy the thread of an event loop is."""

from __future__ import annotations

import time
from collections.abc import Callable

WINDOW = 1.0  # seconds
BUSY, CALM = 0.7, 0.3  # CPU seconds a second


class Load:
    """The share of a core that this thread uses, measured a second at a time, and only while somebody asks.

    It is busy from the second in which it used `BUSY` of a core to that in which it used less than `CALM`, which is
    far lower because whoever asks does less while it is busy. Call it in the thread of the event loop only.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, used: Callable[[], float] = time.thread_time
    ) -> None:
        self._clock, self._used = clock, used
        self._since, self._before = clock(), used()
        self._busy = False

    def busy(self) -> bool:
        now = self._clock()
        if now - self._since >= WINDOW:
            used = self._used()
            share = (used - self._before) / (now - self._since)
            self._busy = share >= (CALM if self._busy else BUSY)
            self._since, self._before = now, used
        return self._busy
