"""Whether the process has more to do than it can: then new work is refused, first that of low priority.

Reading what exists, cancelling and health are never refused: whoever looks for the cause of an overload needs them, and
they end work.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping

from dragoman_service.admission.queue import LOW
from dragoman_service.errors import CompletionError, overloaded
from dragoman_service.transport.freed_memory import resident

PRIORITY = "x-dragoman-priority"
LAG = 0.25  # seconds that the event loop may be late
WAIT = 0.25  # seconds that calls may wait for the service to take them
WINDOW = 1.0  # seconds that a measurement counts
REFUSALS = 500.0  # a second of calls that wait for too long: each costs a fifth of a millisecond, together a tenth
INTERVAL = 0.1  # seconds between measurements
MEMORY_EVERY = 5  # how many intervals between two measurements of memory
_ESSENTIAL = ("Get", "List", "Wait", "Cancel", "Delete", "Attach", "Explain", "Summarize", "Check", "Watch")


def is_low(headers: Mapping[str, str]) -> bool:
    """Whether the caller says that the call has a low priority. It is read before the request is."""
    value = headers.get(PRIORITY)
    try:
        return value is not None and int(value) <= LOW
    except ValueError:  # the validation of requests reports it
        return False


def is_essential(method: str) -> bool:
    """Whether an RPC of this name starts no work, so that it is not refused."""
    return method.startswith(_ESSENTIAL)


class Pressure:
    """Collects measurements. Times are in seconds, `max_memory` in bytes (0: no limit).

    The loop's lag is the second highest of the last second, so that one hiccup refuses nobody. The wait is the lowest
    of the last second, so that a burst which is soon served refuses nobody either.
    """

    def __init__(
        self,
        max_memory: int = 0,
        *,
        refused: Callable[[], object] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_memory, self.refused, self._now = max_memory, refused, now
        self._lags: deque[tuple[float, float]] = deque()
        self._waits: deque[tuple[float, float]] = deque()
        self._reasons = ("", "")
        self._waited = 0.0
        self._memory = 0
        self._budget, self._spent = 0.0, now()
        self.high = False
        """Some calls are refused now."""

    def report(self, lag: float, wait: float, memory: int | None = None) -> None:
        """Notes a measurement: how late the loop is, how long calls wait, and the memory of the process."""
        now = self._now()
        _keep(self._lags, now, lag)
        _keep(self._waits, now, wait)
        if memory is not None:
            self._memory = memory
        late = sorted((0.0, *(value for _, value in self._lags)))[-2]  # 0 after the first measurement
        # A second must have passed since the first: else the wait was not long for a whole second.
        whole = now - self._waits[0][0] > WINDOW - 2 * INTERVAL
        self._waited = min(value for _, value in self._waits) if whole else 0.0
        self._reasons = (self._why(late, LAG, 0.8), self._why(late, 2 * LAG, 1.0))
        self.high = bool(self._reasons[0]) or self._waited > WAIT

    def _why(self, late: float, most_late: float, most_full: float) -> str:
        if late > most_late:
            return "The service is too busy."
        if self._max_memory and self._memory > most_full * self._max_memory:
            return "The service is short of memory."
        return ""

    def refusal(self, *, low: bool) -> CompletionError | None:
        """OVERLOADED if a call that starts work must not; `low`: its priority is low."""
        reason = self._reasons[0 if low else 1]
        if not reason and self._waited > (WAIT if low else 2 * WAIT) and self._may_spend():
            reason = "Too many calls are waiting."
        if not reason:
            return None
        self.refused()
        return overloaded(reason)

    def _may_spend(self) -> bool:
        """Whether there is time to refuse a call that waits: to serve it may cost little more."""
        now = self._now()
        self._budget = min(REFUSALS * INTERVAL, self._budget + REFUSALS * (now - self._spent))
        self._spent = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True


def _keep(samples: deque[tuple[float, float]], now: float, value: float) -> None:
    """Adds a sample. The one before it stays however old it is, because a loop may stand still for longer."""
    samples.append((now, value))
    while len(samples) > 2 and samples[0][0] < now - WINDOW:
        samples.popleft()


async def watch_pressure(
    pressure: Pressure, wait: Callable[[], float], *, memory: Callable[[], int] = resident, interval: float = INTERVAL
) -> None:
    """Measures until it is cancelled. `wait` is how long calls wait now for the service to take them."""
    now = asyncio.get_running_loop().time
    count = 0
    while True:
        due = now() + interval
        await asyncio.sleep(interval)
        count += 1
        lag = max(0.0, now() - due)
        pressure.report(lag, wait(), None if count % MEMORY_EVERY else memory())
