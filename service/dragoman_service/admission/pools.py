"""Pools: slots with a queue before them. Those of one group share further slots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dragoman_service.admission.queue import WEIGHTS, Band, Bounds, Entry, Queue
from dragoman_service.admission.shares import Shares
from dragoman_service.admission.slots import Slots

SMOOTHING = 0.1  # the weight of the newest measurement


class Pool:
    """The slots and the queue of one model or target. Without slots of its own it has only those of its group."""

    def __init__(self, name: str, slots: Slots | None = None, bounds: Bounds | None = None) -> None:
        self.name = name
        self.slots = slots
        self.queue = Queue(bounds)
        self.under_way = 0
        self.first_piece = 0.0
        """Usual seconds from a slot to the first piece of the answer; 0: none was measured."""
        self.held = 0.0
        """Usual seconds for which a slot is held; 0: none was measured."""

    def measure_first(self, seconds: float) -> None:
        """The first piece of an answer has come."""
        self.first_piece = _smoothed(self.first_piece, seconds)

    def measure_held(self, seconds: float) -> None:
        """A slot was held for so long."""
        self.held = _smoothed(self.held, seconds)


class Group:
    """Pools that share slots: those of a service, or of one provider. `shared` is None for a pool that stands alone.

    A request is admitted if its pool and the group both have a free slot, and takes both or none. While any are free,
    nothing waits that could have them. It has no clock: whoever calls says what time it is.
    """

    def __init__(self, name: str, shared: Slots | None = None) -> None:
        self.name = name
        self.shared = shared
        self.pools: dict[str, Pool] = {}
        self._queued: dict[str, Pool] = {}  # those that something waits for
        self._bands: Shares[Band] = Shares()
        self._turns: Shares[str] = Shares()

    def add(self, pool: Pool) -> Pool:
        """Adds a pool, under its name."""
        self.pools[pool.name] = pool
        return pool

    def can_begin(self, pool: Pool) -> bool:
        """Whether a request of the pool would be admitted now."""
        return all(slots.free for slots in self.slots_of(pool))

    def begin(self, pool: Pool) -> bool:
        """Takes the slots if they are free. Then nothing of the pool waits, so that nothing is overtaken."""
        if not self.can_begin(pool):
            return False
        self._take(pool)
        return True

    def wait(self, pool: Pool, entry: Entry) -> bool:
        """Adds an entry to the pool's queue. False: there is no room. Tells those that go for it."""
        pool.queue.turn = self._turn(pool) or math.inf  # before anything is measured nothing looks like an overload
        gone = pool.queue.push(entry)
        if gone is None:
            return False
        self._queued[pool.name] = pool
        for other in gone:
            other.decided("shed_full")
        return True

    def end(self, pool: Pool, now: float) -> None:
        """Gives the slots back, and admits those whose turn it is."""
        for slots in self.slots_of(pool):
            slots.give_back()
        pool.under_way -= 1
        if self._queued:
            self.admit(now)

    def cancel(self, pool: Pool, entry: Entry) -> None:
        """Removes an entry that need not wait any more."""
        pool.queue.remove(entry)
        self._forget_empty()

    def admit(self, now: float) -> None:
        """Ends the waits that are over, and gives free slots to the next. Call it when a limit has moved, too."""
        for pool in self._queued.values():
            for entry, outcome in pool.queue.expired(now):
                entry.decided(outcome)
        while (turn := self._next()) is not None:
            pool, band = turn
            self._bands.charge(band, 1 / WEIGHTS[band])
            self._turns.charge(pool.name, 1)
            self._take(pool)
            pool.queue.pop(band).decided("admitted")
        self._forget_empty()

    def next_expiry(self) -> float | None:
        """When `admit` has to be called even if nothing ends before."""
        times = (pool.queue.next_expiry() for pool in self._queued.values())
        return min((time for time in times if time is not None), default=None)

    def stop(self) -> None:
        """Ends all waits."""
        for pool in self._queued.values():
            for entry in pool.queue.clear():
                entry.decided("stopped")
        self._forget_empty()

    def drain_time(self, pool: Pool) -> float:
        """Seconds after which what waits now will have been served."""
        return len(pool.queue) * self._turn(pool)

    def slots_of(self, pool: Pool) -> Sequence[Slots]:
        """The slots that a request of the pool needs: the group's, and the pool's own."""
        return [slots for slots in (self.shared, pool.slots) if slots is not None]

    def _take(self, pool: Pool) -> None:
        for slots in self.slots_of(pool):
            slots.take()
        pool.under_way += 1

    def _next(self) -> tuple[Pool, Band] | None:
        ready = [pool for pool in self._queued.values() if len(pool.queue) and self.can_begin(pool)]
        if not ready:
            return None
        band = min({band for pool in ready for band in _waiting(pool)}, key=lambda band: (self._bands.had(band), -band))
        of_band = [pool for pool in ready if band in _waiting(pool)]
        return min(of_band, key=lambda pool: self._turns.had(pool.name)), band

    def _forget_empty(self) -> None:
        for name in [name for name, pool in self._queued.items() if not len(pool.queue)]:
            del self._queued[name]
        if not self._queued:
            self._bands.clear()
            self._turns.clear()

    def _turn(self, pool: Pool) -> float:
        """Seconds between two free slots of the pool, about."""
        return pool.held / max(1, min(slots.limit for slots in self.slots_of(pool)))


def _waiting(pool: Pool) -> Iterator[Band]:
    return (band for band in Band if pool.queue.waiting(band)[0])


def _smoothed(before: float, seconds: float) -> float:
    return before + SMOOTHING * (seconds - before) if before else seconds
