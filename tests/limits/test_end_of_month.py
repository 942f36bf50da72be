"""The end of a month, by clocks that the test sets: of the database, and of the process, which is wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from dragoman_service.limits.allowance import Allowances
from dragoman_service.limits.store.opening import MemoryDatabase
from dragoman_service.limits.store.relational import SqlLimitStore
from dragoman_service.limits.store.windows import window
from ledgers import BUDGET, row

SECOND = 1000  # milliseconds


class Clocks:
    """`database` in milliseconds since 1970; that of the process has its own beginning."""

    def __init__(self) -> None:
        self.database = round(datetime(2026, 11, 30, 23, 59, 58, tzinfo=UTC).timestamp() * 1000)
        self.process = 5.0

    def pass_by(self, seconds: float) -> None:
        self.database += round(seconds * 1000)
        self.process += seconds


class TimedDatabase(MemoryDatabase):
    """A database in memory with that clock."""

    def __init__(self, clocks: Clocks) -> None:
        super().__init__()
        with self._engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.create_function("julianday", 1, lambda _: clocks.database / 86_400_000 + 2_440_587.5)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def store(clocks: Clocks) -> SqlLimitStore:
    return SqlLimitStore(TimedDatabase(clocks))


@pytest.fixture
def allowances(store: SqlLimitStore, clocks: Clocks) -> Allowances:
    return Allowances(store, clock=lambda: clocks.process)


async def used_in(store: SqlLimitStore, clocks: Clocks, seconds_ago: float) -> tuple[int, int]:
    """Used and reserved units of the month that was then."""
    present, clocks.database = clocks.database, clocks.database - round(seconds_ago * 1000)
    [standing] = await store.standings([BUDGET])
    clocks.database = present
    return standing.used, standing.reserved


async def test_a_call_that_lasts_over_the_end_of_the_month_is_charged_to_the_one_it_began_in(
    allowances: Allowances, store: SqlLimitStore, clocks: Clocks
) -> None:
    call = (await allowances.reserve({BUDGET: BUDGET.cap})).hold
    refused = await allowances.reserve({BUDGET: 1})
    clocks.pass_by(3)
    fresh = (await allowances.reserve({BUDGET: BUDGET.cap})).hold

    assert call is not None
    assert fresh is not None, "nothing of November counts in December"
    assert refused.refusals[0].retry_after == pytest.approx(2 * SECOND, abs=5)
    await store.settle([call.charge(row("old"), {BUDGET: 60}), fresh.charge(row("new"), {BUDGET: 70})])
    call.close()
    fresh.close()
    await allowances.return_idle(0)

    assert await used_in(store, clocks, seconds_ago=3) == (60, 0)
    assert await used_in(store, clocks, seconds_ago=0) == (70, 0)


async def test_an_answer_that_grows_over_the_end_of_the_month_is_charged_to_both(
    allowances: Allowances, store: SqlLimitStore, clocks: Clocks
) -> None:
    call = (await allowances.reserve({BUDGET: 40})).hold
    assert call is not None
    clocks.pass_by(3)
    grown = await allowances.grow(call, {BUDGET: 80})
    await store.settle([call.charge(row("old"), {BUDGET: 110})])
    call.close()
    await allowances.return_idle(0)

    assert grown.hold is call
    assert await used_in(store, clocks, seconds_ago=3) == (40, 0)
    assert await used_in(store, clocks, seconds_ago=0) == (70, 0)


async def test_idle_units_of_a_month_that_has_ended_are_not_spent_in_the_next(
    allowances: Allowances, store: SqlLimitStore, clocks: Clocks
) -> None:
    call = (await allowances.reserve({BUDGET: 90})).hold
    assert call is not None
    call.close()  # 90 are idle
    clocks.pass_by(3)
    calls = [(await allowances.reserve({BUDGET: 50})).hold for _ in range(3)]

    assert [one is not None for one in calls] == [True, True, False]
    await allowances.return_idle()

    assert await used_in(store, clocks, seconds_ago=3) == (0, 0)
    assert await used_in(store, clocks, seconds_ago=0) == (0, 100)


def test_the_clock_of_the_test_is_at_the_end_of_a_month(clocks: Clocks) -> None:
    assert window(BUDGET, clocks.database)[1] == clocks.database + 2 * SECOND
