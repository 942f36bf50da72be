"""Allowances: units of limits that this process has already taken from the store, and spends without asking it."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from dragoman_service.limits.pots import Left, Pot
from dragoman_service.limits.store.failures import unavailable
from dragoman_service.limits.store.interface import (
    Charge,
    Limit,
    LimitStore,
    Refusal,
    Reserved,
    Settlement,
    Want,
)
from dragoman_service.limits.store.records import UsageRow
from dragoman_service.timing.loop import repeat

LEASE = 15.0  # seconds that allowances outlive their process
IDLE = 1.0  # seconds without use after which units go back
PATIENCE = 2.0  # seconds that a call waits for the store: one that stands still fails only after many more


@dataclass(slots=True)
class _Era:
    """The time of one worker id: it ends when the lease may have ended, or the outcome of a write is unknown."""

    worker: str
    until: float
    pots: dict[Limit, Pot] = field(default_factory=dict)
    past: list[Pot] = field(default_factory=list)
    """Those of windows that have ended, until nothing is held in them."""

    def pot(self, limit: Limit, now: float) -> Pot | None:
        pot = self.pots.get(limit)
        return pot if pot is not None and now < pot.ends else None


@dataclass(slots=True)
class _Part:
    pot: Pot
    units: int


class Hold:
    """What a call has reserved. Charge what its attempts have used, then close it."""

    def __init__(self, era: _Era) -> None:
        self.era = era
        self.parts: list[_Part] = []

    def units(self, limit: Limit) -> int:
        """Units of a limit that are reserved and not charged yet."""
        return sum(part.units for part in self.parts if part.pot.limit == limit)

    def charge(self, usage: UsageRow, used: Mapping[Limit, int]) -> Settlement:
        """An attempt at its end, for the usage writer: it used so many units of each limit.

        Limits that the call has not reserved are left out.
        """
        charges: list[Charge] = []
        for limit, units in used.items():
            parts = [part for part in self.parts if part.pot.limit == limit]
            for number, part in enumerate(parts, 1):
                ours = min(part.units, units)
                over = units - ours if number == len(parts) else 0
                part.units -= ours
                part.pot.use(ours, over)
                units -= ours + over
                if ours + over:
                    charges.append(Charge(limit, part.pot.start, ours + over))
        return Settlement(usage, tuple(charges), self.era.worker)

    def close(self) -> None:
        """Returns what is still reserved. It may be called again."""
        for part in self.parts:
            part.pot.put_back(part.units)
            part.units = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A hold, or the limits that refused. `shadow`: limits that would have refused if they were enforced."""

    hold: Hold | None
    refusals: tuple[Refusal, ...] = ()
    shadow: tuple[Refusal, ...] = ()


class Allowances:
    """Units of limits that this process may spend. They were debited before, so no limit is ever exceeded by them.

    `lease` in seconds: how long they outlive the process. `workers`: processes that share the limits, at least.
    `clock` is monotonic. Call `run` in a task, and `leave` at the end.
    """

    def __init__(
        self,
        store: LimitStore,
        *,
        lease: float = LEASE,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._lease, self._least_workers, self._clock = store, lease, workers, clock
        self._name = secrets.token_hex(8)
        self._number = 0
        self._renewed = -math.inf
        self._asking: dict[asyncio.Task[Reserved], float] = {}  # since when the store is asked
        self.workers = workers
        """Processes that have a lease, as far as the store has told. Those that start now have none yet."""
        self._era = self._new_era()

    async def reserve(self, units: Mapping[Limit, int]) -> Outcome:
        """Reserves units of all limits or of none. Raises LIMITS_UNAVAILABLE if the store has to be asked and is not
        there.
        """
        return await self._into(Hold(self._present()), units)

    async def grow(self, hold: Hold, units: Mapping[Limit, int]) -> Outcome:
        """Reserves more for a call. If it is refused, the call still holds what it has. It raises as `reserve` does."""
        return await self._into(hold, units)

    def left(self, limits: Iterable[Limit]) -> list[Left]:
        """What is left of those limits that this worker knows of, as far as it knows."""
        now = self._clock()
        pots = (self._era.pot(limit, now) for limit in limits)
        return [pot.known(now) for pot in pots if pot is not None]

    async def run(self) -> None:
        """Renews the lease and returns idle units, for ever."""
        await repeat("limits.allowances", self._upkeep)

    async def _upkeep(self) -> float:
        era, now = self._present(), self._clock()
        if now >= self._renewed + self._lease / 3:
            pulse = await self._store.renew(era.worker, self._milliseconds)
            self.workers = max(self._least_workers, pulse.workers)
            era.until = now + self._lease  # from before it was asked for, so that ours ends first
            self._renewed = now
        await self.return_idle()
        return min(IDLE, self._lease / 6)

    async def return_idle(self, idle: float = IDLE) -> None:
        """Returns units that were not used for `idle` seconds, and forgets pots that are empty."""
        era, now = self._era, self._clock()
        returned: list[Charge] = []
        for pot in era.past:
            if pot.idle > 0:
                returned.append(Charge(pot.limit, pot.start, pot.idle))
                pot.idle = 0
        era.past = [pot for pot in era.past if pot.held]
        for limit, pot in list(era.pots.items()):
            pot.rate, pot.spent = pot.spent, 0
            if pot.idle > 0 and (now - pot.touched >= idle or now >= pot.ends):
                returned.append(Charge(limit, pot.start, pot.idle))
                pot.idle = 0
            elif pot.idle == pot.held == 0 and now - pot.touched >= 60 * IDLE:
                del era.pots[limit]
        if returned:
            with self._certain(era):
                await self._store.give_back(era.worker, returned)

    async def leave(self) -> None:
        """Returns everything. Call it when no call is under way and the usage writer is closed."""
        era, self._era = self._era, self._new_era()
        await self._store.leave(era.worker)

    @contextmanager
    def _certain(self, era: _Era) -> Iterator[None]:
        """Takes a new worker id if the outcome of a write is unknown.

        What the old one has returns when its lease ends.
        """
        try:
            yield
        except BaseException:
            if self._era is era:
                self._era = self._new_era()
            raise

    @property
    def _milliseconds(self) -> int:
        return round(self._lease * 1000)

    def _new_era(self) -> _Era:
        self._number += 1
        return _Era(f"{self._name}-{self._number}", self._clock() + self._lease)

    def _present(self) -> _Era:
        if self._clock() >= self._era.until:
            self._era = self._new_era()
        return self._era

    async def _into(self, hold: Hold, units: Mapping[Limit, int]) -> Outcome:
        now = self._clock()
        era = hold.era if hold.era is self._present() else _Era(hold.era.worker, now)
        wants: list[Want] = []
        needed: dict[Limit, int] = {}
        before: list[_Part] = []
        for limit, wanted in units.items():
            pot = era.pot(limit, now)
            ours = 0 if pot is None else max(0, min(pot.idle, wanted))
            if pot is not None and ours:
                pot.take(ours, now)
                before.append(_Part(pot, ours))
            if ours < wanted or pot is None:
                debt, pace = (0, 0) if pot is None else (max(0, -pot.idle), pot.pace)
                needed[limit] = wanted - ours
                # With what others owe it may be more than the limit, which would refuse it for good.
                least = max(wanted - ours, min(wanted - ours + debt, limit.cap))
                wants.append(Want(limit, least, max(least, pace)))
        if not wants:
            hold.parts += before
            return Outcome(hold)
        try:
            reserved = await self._answer(era, wants)
        except BaseException:
            _put_back(before)
            raise
        if reserved.refusals:
            _put_back(before)
            for refusal in reserved.refusals:
                if (pot := era.pot(refusal.limit, now)) is not None:
                    pot.told_left(refusal.left, now)
            return Outcome(None, reserved.refusals, reserved.shadow)
        hold.parts += before + _credited(era, needed, reserved, now)
        return Outcome(hold, (), reserved.shadow)

    async def _answer(self, era: _Era, wants: Sequence[Want]) -> Reserved:
        """What the store answers in time. What it grants later becomes idle."""
        oldest = next(iter(self._asking.values()), math.inf)
        if self._clock() - oldest >= PATIENCE:  # it stands still: nobody else waits for it
            raise unavailable()
        asking = asyncio.create_task(self._ask(era, wants))
        self._asking[asking] = self._clock()
        asking.add_done_callback(self._asking.pop)
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(asking)
        except BaseException as error:
            asking.add_done_callback(lambda done: _discard(era, done, self._clock()))
            if isinstance(error, TimeoutError):
                raise unavailable() from error
            raise

    async def _ask(self, era: _Era, wants: Sequence[Want]) -> Reserved:
        with self._certain(era):
            return await self._store.reserve(era.worker, self._milliseconds, wants, self.workers)


def _credited(era: _Era, needed: Mapping[Limit, int], reserved: Reserved, now: float) -> list[_Part]:
    """The parts of a hold that was granted; what it does not need is idle."""
    parts: list[_Part] = []
    for grant in reserved.grants:
        pot = era.pots.get(grant.limit)
        if pot is None or pot.start != grant.start:
            if pot is not None:
                era.past.append(pot)
            ends = math.inf if grant.end is None else now + (grant.end - reserved.now) / 1000
            pot = era.pots[grant.limit] = Pot(grant.limit, grant.start, ends)
        pot.credit(grant, now)
        pot.take(needed.get(grant.limit, 0), now)
        parts.append(_Part(pot, needed.get(grant.limit, 0)))
    return parts


def _put_back(parts: Sequence[_Part]) -> None:
    for part in parts:
        part.pot.put_back(part.units)


def _discard(era: _Era, done: asyncio.Task[Reserved], now: float) -> None:
    """Keeps the units of a call that left while the store was asked: they are idle."""
    if not done.cancelled() and done.exception() is None:
        _credited(era, {}, done.result(), now)
