"""A model of pools, slots and queues: whatever happens in whatever order, no slot is lost and no waiter forgotten."""

from __future__ import annotations

import math

from dragoman_service.admission.pools import Group, Pool
from dragoman_service.admission.queue import Bounds, Entry, Outcome, band_of
from dragoman_service.admission.slots import Slots
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

POOLS = ("big", "small", "free")


class Arrivals(RuleBasedStateMachine):
    """Requests arrive at three pools that share slots, end, leave, and wait too long, while limits move."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.group = Group("service", Slots(4))
        for name, slots in zip(POOLS, (Slots(3), Slots(1), None), strict=True):
            self.group.add(Pool(name, slots, Bounds(length=6, tokens=5000, wait=2.0)))
        self.running: list[Pool] = []
        self.waiting: dict[Entry, Pool] = {}
        self.outcomes: dict[Entry, Outcome] = {}

    @rule(
        name=st.sampled_from(POOLS),
        caller=st.sampled_from("abc"),
        priority=st.sampled_from([-100, 0, 100]),
        tokens=st.integers(1, 2000),
        patience=st.one_of(st.just(math.inf), st.floats(0.01, 3.0)),
        bounded=st.booleans(),
    )
    def arrive(self, name: str, caller: str, priority: int, tokens: int, patience: float, *, bounded: bool) -> None:
        pool = self.group.pools[name]
        if self.group.begin(pool):
            self.run(pool)
            return
        entry = Entry(caller, band_of(priority), self.now, tokens, 1.0, self.now + patience, bounded)
        entry.decided = lambda outcome: self.decide(entry, outcome)
        before = set(self.waiting)
        if self.group.wait(pool, entry):
            self.waiting[entry] = pool
            gone = before - set(self.waiting)
            assert all(other.band < entry.band for other in gone)
        else:
            assert bounded
            assert set(self.waiting) == before

    def decide(self, entry: Entry, outcome: Outcome) -> None:
        pool = self.waiting.pop(entry)
        self.outcomes[entry] = outcome
        if outcome == "admitted":
            assert entry.deadline > self.now or math.isinf(entry.deadline)
            self.run(pool)

    def run(self, pool: Pool) -> None:
        self.running.append(pool)
        assert all(slots.used <= slots.limit for slots in self.group.slots_of(pool))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        pool = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.group.end(pool, self.now)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(list(self.waiting)))
        self.group.cancel(self.waiting.pop(entry), entry)

    @rule(seconds=st.floats(0, 3))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.group.admit(self.now)

    @rule(name=st.sampled_from(["", "big", "small"]), limit=st.integers(0, 6))
    def limit_moves(self, name: str, limit: int) -> None:
        slots = self.group.pools[name].slots if name else self.group.shared
        assert slots is not None
        slots.limit = limit
        self.group.admit(self.now)

    @invariant()
    def slots_are_those_of_what_runs(self) -> None:
        assert self.group.shared is not None
        assert self.group.shared.used == len(self.running)
        for pool in self.group.pools.values():
            count = self.running.count(pool)
            assert pool.under_way == count
            assert pool.slots is None or pool.slots.used == count

    @invariant()
    def nothing_waits_while_its_slots_are_free(self) -> None:
        for pool in self.group.pools.values():
            assert not (len(pool.queue) and self.group.can_begin(pool))

    @invariant()
    def queues_hold_what_waits_within_their_bounds(self) -> None:
        for pool in self.group.pools.values():
            entries = [entry for entry, where in self.waiting.items() if where is pool]
            assert all(entry in pool.queue for entry in entries)
            assert len(pool.queue) == len(entries)
            assert pool.queue.tokens == sum(entry.tokens for entry in entries)
            bounded = [entry for entry in entries if entry.bounded]
            assert len(bounded) <= 6
            assert sum(entry.tokens for entry in bounded) <= 5000
            assert sum(entry.band == 0 for entry in bounded) <= 3

    @invariant()
    def nothing_waits_longer_than_it_may(self) -> None:
        next_expiry = self.group.next_expiry()
        for entry in self.waiting:
            if entry.bounded:
                assert next_expiry is not None
                assert next_expiry <= min(entry.deadline, entry.since + 2.0)

    def teardown(self) -> None:
        for pool in list(self.running):
            self.running.remove(pool)
            self.group.end(pool, self.now)
        self.group.stop()

        assert not self.waiting
        while self.running:
            self.group.end(self.running.pop(), self.now)
        assert all(len(pool.queue) == 0 and pool.under_way == 0 for pool in self.group.pools.values())
        assert self.group.shared is not None
        assert self.group.shared.used == 0


TestArrivals = Arrivals.TestCase
TestArrivals.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
