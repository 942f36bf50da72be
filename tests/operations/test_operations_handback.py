"""What a drain hands back early, what it does not, and who may read on meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from altered_store import Overtaken, altered
from attached import events_of, kinds_of
from dragoman import v1
from dragoman_service.errors import CompletionError
from dragoman_service.operations import Membership, open_shared_store, operations_in
from dragoman_service.settings.settings import SettingsError, load
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.replicas.replica import CALLER, Replica
from dragoman_service.testing.operation_laws.stage import State, Store, metadata_of
from openers import OpenWorker
from outcomes import signed, until_state
from streamed import text_of_events
from waiting import until


async def follow(worker: Replica, name: str, raw: list[bytes]) -> None:
    async for event in worker.operations.attach(name, CALLER, 0):
        raw.append(event)


async def test_readers_of_what_was_handed_back_see_the_output_of_the_next_server(open_worker: OpenWorker) -> None:
    first = await open_worker(handback=0.0, max_attempts=1)
    name = await first.start_held()
    raw: list[bytes] = []
    reading = asyncio.create_task(follow(first, name, raw))
    await until(lambda: raw)
    draining = asyncio.create_task(first.operations.drain(30))
    await until_state(first, name, State.STATE_QUEUED)
    second = await open_worker(max_attempts=1)
    second.provider.release()
    await reading
    await draining
    events = events_of(raw)
    done = await second.get(name)

    assert kinds_of(events)[:4] == ["started", "delta", "retracted", "started"]
    assert text_of_events(events) == signed(second)
    assert (metadata_of(done).attempts, metadata_of(done).handbacks) == (2, 1)
    assert (first.observer.handbacks, second.observer.handbacks) == (1, 0)


async def test_readers_at_a_server_that_runs_nothing_have_all_of_the_grace(
    open_worker: OpenWorker, store: Store
) -> None:
    runs = await open_worker()
    name = await runs.start_held()
    options, serves = load(None, {}, {"operations.url": store.url}).operations, Membership(roles=("serve",))
    async with (
        open_shared_store(options, store.folder) as opened,
        operations_in(opened, options, runs.engine, membership=serves) as operations,
    ):
        reading = asyncio.create_task(operations.result(name, CALLER))
        await until(lambda: opened.waiters.ids)
        draining = asyncio.create_task(operations.drain(30))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(draining), 0.05)
        runs.provider.release()
        answer = await reading
        await draining

    assert answer.choices


async def test_readers_leave_when_the_grace_is_over(open_worker: OpenWorker) -> None:
    worker = await open_worker(handback=0.0)
    name = await worker.start_held()
    raw: list[bytes] = []
    reading = asyncio.create_task(follow(worker, name, raw))
    await until(lambda: raw)
    await worker.operations.drain(0.2)
    with pytest.raises(CompletionError) as told:
        await reading

    assert told.value.reason == v1.ERROR_REASON_SHUTTING_DOWN


async def test_what_its_caller_reads_and_would_cancel_by_leaving_has_the_grace_of_live_calls(
    open_worker: OpenWorker,
) -> None:
    worker = await open_worker(handback=0.0)
    request = ask("hold", request_id="live")
    request.disconnect_policy = v1.DISCONNECT_POLICY_CANCEL
    async with worker.operations.joined(request, CALLER) as name:
        await worker.held(name)
        unread = await worker.start_held()
        draining = asyncio.create_task(worker.operations.drain(30))
        await until_state(worker, unread, State.STATE_QUEUED)
        state = await worker.state(name)
        worker.provider.release()
        done = await worker.wait(name)
    await draining

    assert state == State.STATE_RUNNING
    assert (metadata_of(done).attempts, metadata_of(done).handbacks) == (1, 0)


async def test_what_was_just_being_claimed_is_handed_back_too(open_worker: OpenWorker) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def happens() -> None:
        asked.set()
        await answered.wait()

    worker = await open_worker(opener=altered(lambda store: Overtaken(store, "claim", happens)))
    name = await worker.start("hold")
    await asked.wait()
    draining = asyncio.create_task(worker.operations.drain(0))
    await asyncio.sleep(0.1)
    answered.set()
    await draining

    assert await worker.state(name) == State.STATE_QUEUED


def test_a_handback_after_the_end_of_the_process_is_refused() -> None:
    with pytest.raises(SettingsError) as refused:
        load(None, {}, {"operations.handback": "21s"})

    assert "operations.handback: should not exceed server.grace" in str(refused.value)
