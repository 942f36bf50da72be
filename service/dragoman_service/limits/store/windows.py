"""Windows of the calendar, and the buckets of rates. Pure: times are milliseconds since 1970."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from dragoman_service.limits.store.interface import Limit, Period, Refusal, Standing

HOUR = 3_600_000


@lru_cache(maxsize=1024)
def _period(day: tuple[int, int, int], period: Period, zone: str) -> tuple[int, int]:
    year, month, number = day
    if period == "day":
        # Days of the calendar are 23 to 25 hours long, so the next one is found by its date.
        following = datetime.fromordinal(datetime(year, month, number).toordinal() + 1)  # noqa: DTZ001 - dates
    else:
        number = 1
        following = datetime(year + month // 12, month % 12 + 1, 1)  # noqa: DTZ001 - dates
    first = datetime(year, month, number, tzinfo=ZoneInfo(zone))
    return _milliseconds(first), _milliseconds(following.replace(tzinfo=ZoneInfo(zone)))


def window(limit: Limit, now: int) -> tuple[int, int | None]:
    """When the limit's present window began, and when it ends; (0, None) for a rate."""
    if not limit.period:
        return 0, None
    local = datetime.fromtimestamp(now / 1000, ZoneInfo(limit.zone))
    return _period((local.year, local.month, local.day), limit.period, limit.zone)


def label(hour: int, group: str, zone: str) -> str:
    """The hour, day or month of a time, as in ISO 8601. Hours are in UTC."""
    if group == "hour":
        return datetime.fromtimestamp(hour / 1000, UTC).strftime("%Y-%m-%dT%H:00:00Z")
    local = datetime.fromtimestamp(hour / 1000, ZoneInfo(zone))
    return local.strftime("%Y-%m-%d" if group == "day" else "%Y-%m")


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@dataclass(slots=True)
class Counter:
    """One counter, in the transaction that has locked it."""

    used: int = 0
    reserved: int = 0
    level: float = 0.0
    updated: int = 0

    def leak(self, limit: Limit, now: int) -> None:
        """Refills the bucket of a rate up to `now`."""
        if limit.every:
            passed = max(0, now - self.updated)
            self.level = max(0.0, self.level - passed * limit.refill / limit.every)
        self.updated = max(now, self.updated)

    def left(self, limit: Limit) -> int:
        """Units that nobody has. Call `leak` before."""
        taken = self.level if limit.every else self.used + self.reserved
        return max(0, math.floor(limit.cap - taken + 1e-9))

    def reserve(self, units: int) -> None:
        self.reserved += units
        self.level += units

    def release(self, units: int) -> None:
        """Takes back what was reserved."""
        self.reserved -= units
        self.level = max(0.0, self.level - units)

    def charge(self, units: int, held: int) -> None:
        """Uses `units`, of which `held` were reserved."""
        self.used += units
        self.reserved -= held
        self.level += units - held

    def refuse(self, limit: Limit, units: int, now: int, end: int | None) -> Refusal:
        """The refusal of `units` units."""
        return Refusal(limit, self.left(limit), self._wait(limit, units, now, end))

    def _wait(self, limit: Limit, units: int, now: int, end: int | None) -> int | None:
        if units > limit.cap:
            return None
        if end is not None:
            return end - now
        lacking = self.level + units - limit.cap
        return math.ceil(lacking * limit.every / limit.refill) if limit.refill else None

    def standing(self, limit: Limit, now: int) -> Standing:
        """The limit as it is now."""
        _, end = window(limit, now)
        self.leak(limit, now)
        if not limit.every:
            return Standing(limit, self.used, self.reserved, self.left(limit), end, (end or now) - now)
        used = max(0, math.ceil(self.level - 1e-9) - self.reserved)
        reset = math.ceil(self.level * limit.every / limit.refill) if limit.refill else 0
        return Standing(limit, used, self.reserved, self.left(limit), None, reset)
