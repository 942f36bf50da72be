"""Counters, allowances and the ledger, in each kind of database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from dragoman_service.limits.store import ledger
from dragoman_service.limits.store.interface import Charge, LimitStore
from dragoman_service.limits.store.opening import limits_of
from dragoman_service.limits.store.records import UsageFilter, UsageGroup
from dragoman_service.operations import OperationStoreError
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from ledgers import BUDGET, LEASE, RATE, row, settlement, want


async def test_as_many_as_the_limit_allows_are_granted_of_those_that_ask_at_once(limits: LimitStore) -> None:
    done = await asyncio.gather(*(limits.reserve("w", LEASE, want(BUDGET, RATE)) for _ in range(200)))

    granted = [one for one in done if one.grants]
    refused = [one for one in done if not one.grants]
    assert len(granted) == 100
    assert {violation.limit for one in refused for violation in one.refusals} == {BUDGET, RATE}
    assert await limits.check() == (0, 200, 200)


async def test_all_limits_agree_or_nothing_is_taken_of_any(limits: LimitStore) -> None:
    small = replace(BUDGET, scope="team/t", cap=5)
    refused = await limits.reserve("w", LEASE, want(BUDGET, small, least=6))
    both = await limits.reserve("w", LEASE, want(BUDGET, small, least=5))

    assert not refused.grants
    assert [(one.limit, one.left, one.retry_after) for one in refused.refusals] == [(small, 5, None)]
    assert [one.left for one in both.grants] == [95, 0]


async def test_a_limit_that_is_not_enforced_counts_and_tells_what_it_would_have_refused(limits: LimitStore) -> None:
    shadow = replace(BUDGET, cap=5, enforced=False)
    done = await limits.reserve("w", LEASE, want(shadow, least=6))

    assert [one.units for one in done.grants] == [6]
    assert [one.limit for one in done.shadow] == [shadow]


async def test_blocks_are_a_share_of_what_is_left_and_near_the_limit_what_is_needed(limits: LimitStore) -> None:
    large = replace(BUDGET, cap=1000)
    units = []
    for _ in range(3):
        done = await limits.reserve("w", LEASE, want(large, most=500), workers=4)
        units.append(done.grants[0].units)
    await limits.reserve("w", LEASE, want(large, least=600))
    near = await limits.reserve("w", LEASE, want(large, most=500), workers=4)

    assert units == [62, 58, 55]
    assert near.grants[0].units == 1


async def test_an_attempt_is_settled_once_however_often_it_is_told(limits: LimitStore) -> None:
    grants = (await limits.reserve("w", LEASE, want(BUDGET, RATE, least=10))).grants
    one = settlement("c", grants, 7)
    first = await limits.settle([one, one])
    again = await limits.settle([one])
    other = await limits.settle([settlement("c", grants, 2, attempt=2)])

    assert (first, again, other) == ([True, False], [False], [True])
    assert await limits.check() == (18, 2, 2)


async def test_more_than_was_reserved_counts_and_what_is_left_is_never_negative(limits: LimitStore) -> None:
    grants = (await limits.reserve("w", LEASE, want(BUDGET, RATE, least=90))).grants
    await limits.settle([settlement("c", grants, 150)])
    budget, rate = await limits.standings([BUDGET, RATE])
    refused = await limits.reserve("w", LEASE, want(RATE))
    free = await limits.reserve("w", LEASE, want(BUDGET, least=0))

    assert (budget.used, budget.reserved, budget.left) == (150, 0, 0)
    assert rate.left == 0
    assert 50 * 864_000 < (refused.refusals[0].retry_after or 0) <= 51 * 864_000
    assert free.grants


async def test_a_lowered_limit_refuses_what_it_would_have_granted(limits: LimitStore) -> None:
    await limits.reserve("w", LEASE, want(BUDGET, least=50))
    refused = await limits.reserve("w", LEASE, want(replace(BUDGET, cap=10)))

    assert [one.left for one in refused.refusals] == [0]


async def test_what_is_given_back_is_there_for_others_but_no_more_than_was_held(limits: LimitStore) -> None:
    [grant] = (await limits.reserve("w", LEASE, want(BUDGET, least=100))).grants
    await limits.give_back("w", [Charge(BUDGET, grant.start, 60)])
    await limits.give_back("w", [Charge(BUDGET, grant.start, 60)])
    await limits.give_back("other", [Charge(BUDGET, grant.start, 60)])
    done = await limits.reserve("other", LEASE, want(BUDGET, least=100))

    assert [one.left for one in done.grants] == [0]


async def test_allowances_of_a_worker_that_is_lost_return_when_its_lease_ends(limits: LimitStore) -> None:
    grants = (await limits.reserve("lost", 1, want(BUDGET, RATE, least=40))).grants
    await limits.reserve("alive", LEASE, want(BUDGET, RATE, least=10))
    await limits.settle([settlement("c", grants, 30, worker="lost")])
    await asyncio.sleep(0.005)
    pulse = await limits.renew("alive", LEASE)
    budget, rate = await limits.standings([BUDGET, RATE])
    late = await limits.settle([settlement("d", grants, 5, worker="lost")])

    assert pulse.workers == 1
    assert [(one.used, one.reserved, one.left) for one in (budget, rate)] == [(30, 10, 60)] * 2
    assert late == [True]
    assert await limits.check() == (70, 20, 20)


async def test_a_lease_that_is_renewed_does_not_end(limits: LimitStore) -> None:
    await limits.reserve("w", 1, want(BUDGET, least=40))
    await limits.renew("w", LEASE)
    await asyncio.sleep(0.005)
    pulse = await limits.renew("other", LEASE)

    assert pulse.workers == 2
    assert await limits.check() == (0, 40, 40)


async def test_a_worker_that_leaves_returns_what_it_has(limits: LimitStore) -> None:
    await limits.reserve("w", LEASE, want(BUDGET, RATE, least=40))
    await limits.leave("w")

    assert await limits.check() == (0, 0, 0)


async def test_the_ledger_is_listed_newest_first_and_page_by_page(limits: LimitStore) -> None:
    for number in range(5):
        await limits.settle([settlement(f"c{number}", (), key="ab"[number % 2])])
    first = await limits.list_usage(UsageFilter(), None, 2)
    rest = await limits.list_usage(UsageFilter(), first[-1].cursor, 10)
    of_a = await limits.list_usage(UsageFilter(key="a"), None, 10)
    none = await limits.list_usage(UsageFilter(end=first[-1].time - 60_000), None, 10)

    assert [one.row.call_id for one in [*first, *rest]] == ["c4", "c3", "c2", "c1", "c0"]
    assert [one.row.call_id for one in of_a] == ["c4", "c2", "c0"]
    assert not none


async def test_the_export_is_oldest_first_and_leaves_out_what_may_still_change(
    limits: LimitStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await limits.settle([settlement(f"c{number}", (), input=number) for number in range(5)])
    young = await limits.export_usage(UsageFilter(), None, 10)
    monkeypatch.setattr(ledger, "EXPORT_LAG", -1000)
    first = await limits.export_usage(UsageFilter(), None, 2)
    rest = await limits.export_usage(UsageFilter(), first[-1].cursor, 10)

    assert not young
    assert [one.row for one in [*first, *rest]] == [row(f"c{number}", input=number) for number in range(5)]


async def test_sums_are_by_group_with_the_highest_cost_first(limits: LimitStore) -> None:
    rows = [
        *[settlement(f"a{number}", (), key="a", team="t", input=2, cost=5) for number in range(3)],
        settlement("b1", (), key="b", team="t", output=3, cost=50),
        settlement("b2", (), key="b", team="t", estimated=True, cost=None, requests=0, attempt=2),
    ]
    await limits.settle(rows)
    await limits.settle(rows)
    by_key = await limits.summarize(UsageFilter(team="t"), [UsageGroup.KEY])
    by_month = await limits.summarize(UsageFilter(), [UsageGroup.MONTH], "Asia/Tokyo")
    [hour] = await limits.summarize(UsageFilter(), [UsageGroup.HOUR])
    nobody = await limits.summarize(UsageFilter(key="c"), [])

    summary = [(one.group, one.requests, one.attempts, one.input, one.cost, one.unpriced) for one in by_key]
    assert summary == [(("b",), 1, 2, 0, 50, 1), (("a",), 3, 3, 6, 15, 0)]
    assert [one.attempts for one in by_month] == [5]
    assert hour.group[0].endswith(":00:00Z")
    assert not nobody


async def test_old_attempts_are_deleted_in_slices_and_their_sums_are_kept(limits: LimitStore) -> None:
    await limits.settle([settlement(f"c{number}", ()) for number in range(5)])
    kept = await limits.sweep(60_000, 3)
    deleted = [await limits.sweep(-1000, 3) for _ in range(3)]
    [total] = await limits.summarize(UsageFilter(), [])

    assert (kept, deleted) == (0, [3, 2, 0])
    assert total.attempts == 5


def test_a_store_without_sql_is_a_mistake() -> None:
    with pytest.raises(OperationStoreError) as caught:
        limits_of(object())  # type: ignore[arg-type]

    assert "sqlite:, postgresql: or memory:" in str(caught.value)


async def test_all_who_ask_for_the_limits_of_a_store_share_them(tmp_path: Path) -> None:
    context = StoreContext(tmp_path, lambda changed, work, stopped: None)
    async with open_store(f"memory:{tmp_path}", context) as one, open_store(f"memory:{tmp_path}", context) as other:
        assert limits_of(one) is limits_of(one)
        assert limits_of(one) is limits_of(other)
