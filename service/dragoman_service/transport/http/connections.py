"""All connections of the HTTP listener: a bound on their number, and which one gives way to a new one."""

from __future__ import annotations

import time
from typing import Protocol

import structlog

RESERVE = 8  # connections beyond the limit that may ask for probes alone
REPORT_INTERVAL = 10.0  # seconds between lines in the log about connections that give way or are refused

log = structlog.get_logger(__name__)


class Evictable(Protocol):
    """A connection, as far as the bound needs it."""

    @property
    def waiting(self) -> bool:
        """No request is being served."""
        ...

    def evict(self) -> None:
        """Closes the connection at once."""
        ...


class Connections:
    """Admits `limit` connections. Beyond that, the one that has waited longest for a request gives way.

    If every connection serves a request, `RESERVE` more are admitted for probes, and the others are refused.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: dict[Evictable, bool] = {}  # by the time of the last byte; true: in the reserve
        self._reserved = 0
        self._reported = 0.0

    def admit(self, connection: Evictable) -> bool:
        """Counts a new connection; false if it must be closed."""
        reserved = False
        if len(self._open) - self._reserved >= self._limit:
            idle = next((each for each in self._open if each.waiting), None)
            self._report(evicted=idle is not None)
            if idle is not None:
                reserved = self.remove(idle)
                idle.evict()
            elif self._reserved < RESERVE:
                reserved = True
            else:
                return False
        self._open[connection] = reserved
        self._reserved += reserved
        return True

    def touch(self, connection: Evictable) -> None:
        """Notes that bytes came, so that others give way first."""
        if connection in self._open:
            self._open[connection] = self._open.pop(connection)

    def is_reserved(self, connection: Evictable) -> bool:
        """Whether the connection may ask for probes alone."""
        return self._open.get(connection, False)

    def remove(self, connection: Evictable) -> bool:
        """Forgets a connection; returns whether it was in the reserve."""
        reserved = self._open.pop(connection, False)
        self._reserved -= reserved
        return reserved

    def _report(self, *, evicted: bool) -> None:
        now = time.monotonic()
        if now >= self._reported + REPORT_INTERVAL:
            self._reported = now
            log.warning("http.connections_exhausted", limit=self._limit, action="evict idle" if evicted else "refuse")
