"""Allowances: what a process spends without asking the store."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest
from dragoman_service.errors import CompletionError
from dragoman_service.limits.allowance import Allowances
from dragoman_service.limits.store.interface import LimitStore
from dragoman_service.limits.store.opening import MemoryDatabase
from dragoman_service.limits.store.relational import SqlLimitStore
from dragoman_service.operations.model.errors import unavailable
from ledgers import BUDGET, RATE, row


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class BrokenDatabase(MemoryDatabase):
    """Commits, and then says that it does not know."""

    broken = False

    async def write(self, statement, *args, **kwargs):  # type: ignore[no-untyped-def]
        done = await super().write(statement, *args, **kwargs)
        if self.broken:
            raise unavailable()
        return done


@pytest.fixture
def memory() -> BrokenDatabase:
    return BrokenDatabase()


@pytest.fixture
def store(memory: BrokenDatabase) -> LimitStore:
    return SqlLimitStore(memory)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def allowances(store: LimitStore, clock: Clock) -> Allowances:
    return Allowances(store, clock=clock)


LARGE = replace(BUDGET, cap=100_000)


async def test_calls_that_ask_at_once_get_exactly_what_there_is(allowances: Allowances, store: LimitStore) -> None:
    done = await asyncio.gather(*(allowances.reserve({BUDGET: 1, RATE: 1}) for _ in range(200)))
    holds = [one.hold for one in done if one.hold is not None]
    await store.settle([hold.charge(row(f"c{number}"), {BUDGET: 1, RATE: 1}) for number, hold in enumerate(holds)])

    assert len(holds) == 100
    assert await store.check() == (200, 0, 0)


async def test_processes_that_start_together_leave_each_other_their_shares(store: LimitStore) -> None:
    first = Allowances(store, workers=4)
    renewing = asyncio.create_task(first.run())
    await asyncio.sleep(0)
    for _ in range(30):
        await first.reserve({BUDGET: 1})
    renewing.cancel()

    assert await store.check() == (0, 30, 30)


async def test_a_busy_process_takes_blocks_and_spends_them_without_asking(
    allowances: Allowances, store: LimitStore, memory: BrokenDatabase
) -> None:
    for _ in range(50):
        await allowances.reserve({LARGE: 1})
    await allowances.return_idle(0)
    await allowances.reserve({LARGE: 1})
    memory.write = None  # type: ignore[assignment,method-assign]
    for _ in range(49):
        outcome = await allowances.reserve({LARGE: 1})
        assert outcome.hold is not None

    assert await store.check() == (0, 100, 100)


async def test_a_process_that_becomes_busy_asks_for_more_at_a_time(allowances: Allowances, store: LimitStore) -> None:
    asked: list[str] = []
    store.observe = lambda op, _: asked.append(op)  # type: ignore[attr-defined]
    for _ in range(100):
        await allowances.reserve({LARGE: 1})

    assert 2 < asked.count("reserve") < 10


async def test_what_a_call_did_not_use_is_there_for_the_next(allowances: Allowances, store: LimitStore) -> None:
    hold = (await allowances.reserve({BUDGET: 100})).hold
    assert hold is not None
    settled = hold.charge(row("c"), {BUDGET: 30})
    hold.close()
    hold.close()
    again = await allowances.reserve({BUDGET: 70})
    over = await allowances.reserve({BUDGET: 1})
    await store.settle([settled])

    assert again.hold is not None
    assert over.hold is None
    assert await store.check() == (30, 70, 70)


async def test_what_a_call_used_beyond_its_hold_is_taken_from_the_others(
    allowances: Allowances, store: LimitStore
) -> None:
    first = (await allowances.reserve({BUDGET: 10})).hold
    second = (await allowances.reserve({BUDGET: 10})).hold
    assert first is not None
    assert second is not None
    await store.settle([first.charge(row("c"), {BUDGET: 50})])
    middle = await store.check()
    refused = await allowances.reserve({BUDGET: 51})
    await store.settle([second.charge(row("d"), {BUDGET: 10})])
    first.close()
    second.close()
    rest = await allowances.reserve({BUDGET: 40})

    assert middle == (50, 0, 0)
    assert refused.hold is None
    assert rest.hold is not None
    used, reserved, granted = await store.check()
    assert used == 60
    assert reserved == granted


async def test_what_others_owe_does_not_make_a_call_larger_than_the_limit(allowances: Allowances) -> None:
    first = (await allowances.reserve({RATE: 85})).hold
    second = (await allowances.reserve({RATE: 10})).hold
    assert first is not None
    assert second is not None
    second.charge(row("c1"), {RATE: 95})
    small, large = await allowances.reserve({RATE: 20}), await allowances.reserve({RATE: 101})

    assert [one.retry_after is None for one in small.refusals] == [False]
    assert [one.retry_after is None for one in large.refusals] == [True]


async def test_a_call_grows_and_keeps_what_it_has_if_that_is_refused(allowances: Allowances, store: LimitStore) -> None:
    hold = (await allowances.reserve({BUDGET: 60})).hold
    assert hold is not None
    grown = await allowances.grow(hold, {BUDGET: 30})
    refused = await allowances.grow(hold, {BUDGET: 30})
    await store.settle([hold.charge(row("c"), {BUDGET: 90})])

    assert grown.hold is hold
    assert [one.left for one in refused.refusals] == [10]
    assert await store.check() == (90, 0, 0)


async def test_units_that_are_idle_go_back(allowances: Allowances, store: LimitStore, clock: Clock) -> None:
    hold = (await allowances.reserve({BUDGET: 60})).hold
    assert hold is not None
    hold.close()
    await allowances.return_idle()
    kept = await store.check()
    clock.now += 2
    await allowances.return_idle()

    assert kept == (0, 60, 60)
    assert await store.check() == (0, 0, 0)


async def test_a_process_that_stood_still_spends_nothing_of_its_old_lease(
    allowances: Allowances, store: LimitStore, clock: Clock
) -> None:
    hold = (await allowances.reserve({BUDGET: 60})).hold
    assert hold is not None
    hold.close()
    clock.now += 60
    refused = await allowances.reserve({BUDGET: 50})
    fine = await allowances.reserve({BUDGET: 40})

    assert refused.hold is None
    assert fine.hold is not None
    assert await store.check() == (0, 100, 100)


async def test_an_unknown_outcome_is_left_to_the_lease(
    allowances: Allowances, store: LimitStore, memory: BrokenDatabase
) -> None:
    memory.broken = True
    with pytest.raises(CompletionError) as caught:
        await allowances.reserve({BUDGET: 60})
    memory.broken = False
    hold = (await allowances.reserve({BUDGET: 40})).hold
    assert hold is not None
    hold.close()
    await allowances.leave()

    assert caught.value.retryable
    assert await store.check() == (0, 60, 60)


async def test_units_of_a_caller_who_left_while_the_store_was_asked_are_not_lost(
    allowances: Allowances, store: LimitStore
) -> None:
    asking = asyncio.create_task(allowances.reserve({BUDGET: 100}))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    for _ in range(5):
        await asyncio.sleep(0)
    again = await allowances.reserve({BUDGET: 100})

    assert again.hold is not None
    assert await store.check() == (0, 100, 100)


async def test_the_lease_is_renewed_for_as_long_as_the_process_lives(store: LimitStore) -> None:
    allowances = Allowances(store, lease=1.0)
    running = asyncio.create_task(allowances.run())
    try:
        first = await allowances.reserve({BUDGET: 60})
        await asyncio.sleep(2)
        pulse = await store.renew("another", 1000)
    finally:
        running.cancel()

    assert first.hold is not None
    assert pulse.workers == 2
    assert await store.check() == (0, 60, 60)
