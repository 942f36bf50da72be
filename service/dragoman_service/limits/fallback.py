"""Rates without the store: while it cannot be used, each worker keeps its share of them in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from dragoman_service.limits.store.interface import Limit, Refusal
from dragoman_service.limits.store.windows import Counter


def _now() -> int:
    return time.time_ns() // 1_000_000


class Fallback:
    """Buckets of rates. `workers` is how many processes share them, `now` the time in milliseconds."""

    def __init__(self, workers: Callable[[], int], now: Callable[[], int] = _now) -> None:
        self._workers, self.now = workers, now
        self._counters: dict[Limit, Counter] = {}

    def reserve(self, units: Mapping[Limit, int]) -> tuple[Refusal, ...]:
        """Takes units of every rate, or of none: then those that refuse are returned. Budgets are left out."""
        now, workers = self.now(), max(1, self._workers())
        rates = [(limit, _share(limit, workers), wanted) for limit, wanted in units.items() if limit.every]
        refused = [
            replace(self._at(share, now).refuse(share, least, now, None), limit=limit)
            for limit, share, wanted in rates
            if limit.enforced and self._at(share, now).left(share) < (least := min(wanted, share.cap))
        ]
        if not refused:
            for _, share, wanted in rates:
                self._at(share, now).level += wanted
        return tuple(refused)

    def _at(self, limit: Limit, now: int) -> Counter:
        counter = self._counters.setdefault(limit, Counter(updated=now))
        counter.leak(limit, now)
        return counter


def _share(limit: Limit, workers: int) -> Limit:
    return replace(limit, cap=max(1, limit.cap // workers), refill=max(1, limit.refill // workers))
