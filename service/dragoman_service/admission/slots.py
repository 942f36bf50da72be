"""Slots: how many requests may be under way at one place, a number that is fixed or found by trial."""

from __future__ import annotations

import math
from dataclasses import dataclass

DECREASE = 0.7  # of the limit remains after an overload
CAUTION = 4  # times as many answers as usual are needed to pass a limit that was too high before


@dataclass(frozen=True, slots=True)
class Range:
    """The bounds of a limit that is found by trial."""

    least: int
    most: int


class Slots:
    """Counts what is under way against a limit. It has no clock: whoever calls says what time it is.

    A fixed limit is a number. With a `Range` the limit starts at its least, and grows by one with each answer until an
    upstream first says that it is overloaded. From then on it is additive increase and multiplicative decrease: after
    as many answers as the limit one more, after an overload less. Only the first overload of those that were sent with
    the same limit lowers it, because the others tell nothing new.
    """

    def __init__(self, limit: int | Range) -> None:
        self._range = limit if isinstance(limit, Range) else None
        self.limit = limit.least if isinstance(limit, Range) else limit
        """The most that may be under way now. If it is set below `used`, nothing is ended, and nothing admitted."""
        self.used = 0
        self._answers = 0  # since the limit moved
        self._ceiling = math.inf  # the limit at which the upstream was overloaded last
        self._lowered = -math.inf  # when

    @property
    def free(self) -> bool:
        """Whether one more may begin."""
        return self.used < self.limit

    def take(self) -> None:
        """One begins."""
        self.used += 1

    def give_back(self) -> None:
        """One has ended."""
        if self.used <= 0:
            raise RuntimeError("a slot was given back twice")
        self.used -= 1

    def answered(self) -> None:
        """An answer has come without a sign of overload. Call it before `give_back`.

        It tells something about the limit only if more than half of the slots were in use.
        """
        if self._range is None or self.limit >= self._range.most or 2 * self.used <= self.limit:
            return
        self._answers += 1
        needed = 1 if self._ceiling == math.inf else self.limit * (CAUTION if self.limit + 1 >= self._ceiling else 1)
        if self._answers >= needed:
            self._answers = 0
            self.limit += 1

    def overloaded(self, began: float, now: float) -> None:
        """The upstream has refused a request, which began at that time, because it has too much to do."""
        if self._range is None or began < self._lowered:
            return
        self._ceiling = self.limit
        self._lowered = now
        self._answers = 0
        self.limit = max(self._range.least, min(self.limit - 1, math.floor(self.limit * DECREASE)))


def shared_out(limit: int, workers: int, number: int) -> int:
    """The part of a limit that the worker with that number, from 0, has of it: at least 1."""
    return max(1, limit // workers + (number < limit % workers))
