"""Random schedules of several workers, in the store and in a model of it that is simple enough to be believed."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

from dragoman_service.limits.store.interface import Charge, Grant, Limit
from dragoman_service.limits.store.opening import MemoryDatabase
from dragoman_service.limits.store.records import UsageFilter
from dragoman_service.limits.store.relational import SqlLimitStore
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from ledgers import BUDGET, LEASE, settlement, want

LIMITS = (replace(BUDGET, scope="key/a", cap=40), replace(BUDGET, scope="key/b", cap=25), replace(BUDGET, scope="team"))
WORKERS = ("w1", "w2", "w3")

workers = st.sampled_from(WORKERS)
chains = st.lists(st.sampled_from(LIMITS), min_size=1, max_size=3, unique=True)


class LedgerMachine(RuleBasedStateMachine):
    """`granted` per worker and limit, `used` per limit, and the attempts that are settled."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = SqlLimitStore(MemoryDatabase())
        self.granted: Counter[tuple[str, Limit]] = Counter()
        self.used: Counter[Limit] = Counter()
        self.attempts: set[str] = set()
        self.windows: dict[Limit, Grant] = {}

    def teardown(self) -> None:
        self.loop.close()

    def left(self, limit: Limit) -> int:
        return max(0, limit.cap - self.used[limit] - sum(self.granted[worker, limit] for worker in WORKERS))

    @rule(worker=workers, chain=chains, least=st.integers(0, 20), most=st.integers(0, 60))
    def reserve(self, worker: str, chain: list[Limit], least: int, most: int) -> None:
        done = self.loop.run_until_complete(
            self.store.reserve(worker, LEASE, want(*chain, least=least, most=most), workers=1)
        )

        assert {one.limit for one in done.refusals} == {one for one in chain if self.left(one) < least}
        assert bool(done.grants) == (not done.refusals)
        for grant in done.grants:
            assert least <= grant.units <= max(least, most, 0)
            assert grant.units == least or grant.units <= self.left(grant.limit) // 4
            self.granted[worker, grant.limit] += grant.units
            self.windows[grant.limit] = grant

    @rule(worker=workers, chain=chains, units=st.integers(0, 30))
    def give_back(self, worker: str, chain: list[Limit], units: int) -> None:
        known = [one for one in chain if one in self.windows]
        charges = [Charge(one, self.windows[one].start, units) for one in known]
        self.loop.run_until_complete(self.store.give_back(worker, charges))
        for one in known:
            self.granted[worker, one] -= min(units, self.granted[worker, one])

    @rule(worker=workers, call=st.sampled_from("abcdefgh"), chain=chains, units=st.integers(0, 30))
    def settle(self, worker: str, call: str, chain: list[Limit], units: int) -> None:
        grants = tuple(self.windows[one] for one in chain if one in self.windows)
        [new] = self.loop.run_until_complete(self.store.settle([settlement(call, grants, units, worker)]))

        assert new == (call not in self.attempts)
        self.attempts.add(call)
        for grant in grants if new else ():
            self.used[grant.limit] += units
            self.granted[worker, grant.limit] -= min(units, self.granted[worker, grant.limit])

    @rule(worker=workers)
    def lose(self, worker: str) -> None:
        self.loop.run_until_complete(self.store.leave(worker))
        for limit in LIMITS:
            self.granted[worker, limit] = 0

    @invariant()
    def counters_are_those_of_the_model(self) -> None:
        standings = self.loop.run_until_complete(self.store.standings(LIMITS))
        reserved = {one: sum(self.granted[worker, one] for worker in WORKERS) for one in LIMITS}

        assert [(one.used, one.reserved) for one in standings] == [(self.used[one], reserved[one]) for one in LIMITS]
        assert [one.left for one in standings] == [self.left(one) for one in LIMITS]

    @invariant()
    def the_ledger_has_each_attempt_once(self) -> None:
        rows = self.loop.run_until_complete(self.store.list_usage(UsageFilter(), None, 100))

        assert sorted(one.row.call_id for one in rows) == sorted(self.attempts)


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
