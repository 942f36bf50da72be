"""The units of one limit that a process has taken from the store."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from dragoman_service.limits.store.interface import Grant, Limit


class Left(NamedTuple):
    """Units of a limit that are left, and the seconds until all of it is, if nobody asks for more."""

    limit: Limit
    units: int
    reset: float


@dataclass(slots=True)
class Pot:
    """The units of one limit in one window. `idle` below 0 is a debt: calls have used more than they had reserved."""

    limit: Limit
    start: int
    ends: float
    """When the window ends, by the clock of this process."""
    idle: int = 0
    held: int = 0
    """Units that calls under way have reserved."""
    spent: int = 0
    rate: int = 0
    """Units that were reserved in the second before this one."""
    touched: float = 0.0
    elsewhere: int = 0
    """Units that nobody had, by what the store told at `told`."""
    told: float = 0.0

    def credit(self, grant: Grant, now: float) -> None:
        """Adds what the store has granted."""
        self.idle += grant.units
        self.told_left(grant.left, now)

    def told_left(self, units: int, now: float) -> None:
        """The store has so many units that nobody has."""
        self.elsewhere, self.told = units, now

    def known(self, now: float) -> Left:
        """What is left. Others may have spent since the store was asked."""
        limit, units = self.limit, self.elsewhere + max(0, self.idle)
        if not limit.every:
            return Left(limit, units, max(0.0, self.ends - now))
        refilled = (now - self.told) * 1000 * limit.refill / limit.every
        units = min(limit.cap, units + math.floor(refilled))
        return Left(limit, units, (limit.cap - units) * limit.every / limit.refill / 1000)

    def take(self, units: int, now: float) -> None:
        self.idle -= units
        self.held += units
        self.spent += units
        self.touched = now

    @property
    def pace(self) -> int:
        """Units that are worth asking for at once: those of a second, or more than this second has brought so far."""
        return max(self.rate, 2 * self.spent)

    def put_back(self, units: int) -> None:
        self.idle += units
        self.held -= units

    def use(self, units: int, over: int) -> None:
        """Uses `units` of those held, and `over` more, which the store takes from whatever else this pot has."""
        self.held -= units
        self.idle = max(self.idle - over, -self.held)
