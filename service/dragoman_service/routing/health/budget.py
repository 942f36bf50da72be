"""The retry budget of a target: how many of its recent requests may be retries."""

from __future__ import annotations

SECONDS = 10  # that count as recent
LEAST = 3  # retries in that time, however few requests there were


class RetryBudget:
    """Counts requests and retries of the last `SECONDS`. Retries are at most `share` of the requests, and never fewer
    than `LEAST`."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._requests = [0] * SECONDS
        self._retries = [0] * SECONDS
        self._second = 0  # the newest one that is counted

    def count(self, now: float) -> None:
        """A request is sent to the target."""
        self._requests[self._slot(now)] += 1

    def spend(self, now: float) -> bool:
        """Takes one retry. False: the budget is used up."""
        slot = self._slot(now)
        if sum(self._retries) >= max(LEAST, self._share * sum(self._requests)):
            return False
        self._retries[slot] += 1
        return True

    def _slot(self, now: float) -> int:
        second = int(now)
        for passed in range(self._second + 1, min(second, self._second + SECONDS) + 1):
            self._requests[passed % SECONDS] = self._retries[passed % SECONDS] = 0
        if second - self._second > SECONDS:
            self._requests, self._retries = [0] * SECONDS, [0] * SECONDS
        self._second = max(second, self._second)
        return self._second % SECONDS
