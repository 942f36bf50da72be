"""One operation for each request id and for each id, until it no longer counts."""

from __future__ import annotations

import asyncio

import pytest
from dragoman_service.operations.model.errors import cancelled, internal, unavailable, worker_lost
from dragoman_service.operations.model.records import Ending, State
from dragoman_service.operations.model.requests import Start
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.testing.operation_laws.rows import OWNER, TTL, claim, new, progress, succeeded
from openers import OpenStore

ASKED = {"request_id": "order-1", "request_hash": b"1"}
FAILURES = {"unavailable": unavailable(), "worker lost": worker_lost(3), "internal": internal("1")}


async def end(opened: OperationStore, state: State, error: bytes | None = None) -> None:
    [one] = await claim(opened)
    await opened.finish(one.held, Ending(state, progress(0), error=error), TTL)


@pytest.mark.parametrize("state", ["queued", "running", "done"])
async def test_the_same_request_is_joined(opened: OperationStore, state: str) -> None:
    await opened.start(new(1, **ASKED))
    held = await claim(opened) if state != "queued" else []
    if state == "done":
        await opened.finish(held[0].held, succeeded(0), TTL)
    outcome, record = await opened.start(new(2, **ASKED))

    assert outcome is Start.JOINED
    assert (record.id, record.request_id) == (new(1).id, "order-1")
    assert sum((await opened.count_states()).values()) == 1


async def test_another_request_under_the_same_id_is_refused(opened: OperationStore) -> None:
    await opened.start(new(1, **ASKED))
    outcome, record = await opened.start(new(2, request_id="order-1", request_hash=b"2"))

    assert outcome is Start.REUSED
    assert record.id == new(1).id


async def test_callers_do_not_share_request_ids(opened: OperationStore) -> None:
    outcomes = [(await opened.start(new(n, owner=f"team-{n}", **ASKED)))[0] for n in range(3)]

    assert outcomes == [Start.CREATED] * 3


async def test_those_without_a_request_id_are_never_joined(opened: OperationStore) -> None:
    outcomes = [(await opened.start(new(n)))[0] for n in range(3)]

    assert outcomes == [Start.CREATED] * 3


@pytest.mark.parametrize("name", ["unavailable", "worker lost"])
async def test_what_failed_and_may_be_tried_again_gives_up_its_request_id(opened: OperationStore, name: str) -> None:
    await opened.start(new(1, **ASKED))
    await end(opened, State.FAILED, FAILURES[name].status("1").SerializeToString())
    outcome, record = await opened.start(new(2, **ASKED))
    old = await opened.get(OWNER, new(1).id)

    assert (outcome, record.id, record.request_id) == (Start.CREATED, new(2).id, "order-1")
    assert old is not None
    assert (old.state, old.request_id) == (State.FAILED, None)


async def test_what_failed_for_good_keeps_its_request_id(opened: OperationStore) -> None:
    await opened.start(new(1, **ASKED))
    await end(opened, State.FAILED, FAILURES["internal"].status("1").SerializeToString())
    outcome, record = await opened.start(new(2, **ASKED))

    assert (outcome, record.id) == (Start.JOINED, new(1).id)


async def test_what_was_cancelled_gives_up_its_request_id(opened: OperationStore) -> None:
    await opened.start(new(1, **ASKED))
    await opened.cancel(OWNER, new(1).id, cancelled().status("1").SerializeToString(), TTL)
    outcome, record = await opened.start(new(2, **ASKED))

    assert (outcome, record.id) == (Start.CREATED, new(2).id)


async def test_what_has_expired_gives_up_its_request_id_and_its_id(opened: OperationStore) -> None:
    await opened.start(new(1, ttl=0, **ASKED))
    await end(opened, State.SUCCEEDED)
    again, record = await opened.start(new(2, request_id="order-1", request_hash=b"2"))
    same_id, _ = await opened.start(new(1))

    assert (again, record.id) == (Start.CREATED, new(2).id)
    assert same_id is Start.CREATED
    assert sum((await opened.count_states()).values()) == 2


async def test_an_id_can_be_chosen_once(opened: OperationStore) -> None:
    chosen = {"id": f"{OWNER}:nightly"}
    first, _ = await opened.start(new(1, **chosen))
    again, record = await opened.start(new(2, **chosen))
    other, _ = await opened.start(new(3, id="team-b:nightly", owner="team-b"))

    assert (first, again, other) == (Start.CREATED, Start.EXISTS, Start.CREATED)
    assert record.id == chosen["id"]


async def test_the_same_request_under_the_same_chosen_id_is_joined(opened: OperationStore) -> None:
    chosen = {"id": f"{OWNER}:nightly", **ASKED}
    await opened.start(new(1, **chosen))
    outcome, _ = await opened.start(new(2, **chosen))

    assert outcome is Start.JOINED


async def test_of_a_hundred_at_once_from_three_processes_one_is_stored(open_store: OpenStore) -> None:
    stores = [await open_store() for _ in range(3)]
    writes = [stores[number % 3].start(new(number, **ASKED)) for number in range(100)]
    results = await asyncio.gather(*writes)

    assert [outcome for outcome, _ in results].count(Start.CREATED) == 1
    assert [outcome for outcome, _ in results].count(Start.JOINED) == 99
    assert len({record.id for _, record in results}) == 1


async def test_of_many_that_follow_a_cancelled_one_at_once_one_is_stored(open_store: OpenStore) -> None:
    stores = [await open_store() for _ in range(3)]
    await stores[0].start(new(100, **ASKED))
    await stores[0].cancel(OWNER, new(100).id, b"", TTL)
    results = await asyncio.gather(*(stores[number % 3].start(new(number, **ASKED)) for number in range(60)))

    assert [outcome for outcome, _ in results].count(Start.CREATED) == 1
    assert len({record.id for _, record in results}) == 1
