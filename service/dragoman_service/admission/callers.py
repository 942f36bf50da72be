"""What callers may have: requests at a time, their share of the slots, the highest priority."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from dragoman_service.admission.refusals import too_many_of_caller

HIGHEST = 100  # priority
DELAY = (1.0, 3.0)  # seconds after which a caller with too many requests should try again


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """`concurrency` None: any number."""

    concurrency: int | None = None
    weight: float = 1.0
    highest_priority: int = 0


class Callers:
    """All callers with a key. `others` are the limits of those without one."""

    def __init__(self, limits: Mapping[str, CallerLimits], others: CallerLimits) -> None:
        self._limits = limits
        self._others = others
        self._under_way: dict[str, int] = {}

    def weight(self, caller: str) -> float:
        """The caller's weight."""
        return self._limits.get(caller, self._others).weight

    def priority(self, caller: str, asked: int) -> int:
        """The priority that a request of the caller has if it asks for that one."""
        return min(asked, self._limits.get(caller, self._others).highest_priority)

    def is_limited(self, caller: str) -> bool:
        """Whether the caller may have only so many requests under way, so that they must be `counted`."""
        return self._limit(caller) is not None

    @contextmanager
    def counted(self, caller: str) -> Iterator[bool]:
        """Counts a request of the caller. False: there is one too many, which is not counted."""
        limit, count = self._limit(caller), self._under_way.get(caller, 0)
        if limit is not None and count >= limit:
            yield False
            return
        self._under_way[caller] = count + 1
        try:
            yield True
        finally:
            self._under_way[caller] -= 1

    def error(self, caller: str) -> Exception:
        """RATE_LIMITED for a caller with too many requests."""
        return too_many_of_caller(self._limit(caller) or 0, random.uniform(*DELAY))  # noqa: S311

    def _limit(self, caller: str) -> int | None:
        return self._limits.get(caller, self._others).concurrency
