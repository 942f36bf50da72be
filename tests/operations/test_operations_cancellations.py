"""A run that was cancelled or deleted elsewhere stops at once: whatever else goes on, and no other one in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from conftest import OpenStore, OpenWorker
from dragoman_service.contract import CompletionError
from dragoman_service.engine.catalogue import Catalogue
from dragoman_service.engine.engine import Engine
from dragoman_service.operations.model.errors import unavailable
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.operations.model.records import Claimed
from dragoman_service.operations.sql import by_workers
from dragoman_service.operations.sql.by_callers import cancel, forget, start
from dragoman_service.operations.start_options import StartOptions
from dragoman_service.operations.store.store import OperationStore
from dragoman_service.operations.worker.cancellations import Cancellations
from dragoman_service.operations.worker.run import Run
from gated_provider import ask
from operation_worker import State, text_of, until_state
from sqlalchemy import Connection, text
from store_rows import OWNER, TTL, claim, new
from structlog.testing import capture_logs
from waiting import until

BELLS_ALONE = Intervals(poll=600.0)
Two = tuple[OperationStore, Claimed, Claimed]
NEVER = 600.0  # seconds between two heartbeats


class Between:
    """The ledger, and what comes to pass between an answer of its and whoever waits for that."""

    def __init__(
        self, ledger: OperationStore, statement: Callable[..., object], happens: Callable[[], Awaitable[object]]
    ) -> None:
        self._store, self._statement, self._happens = ledger, statement, happens

    async def read(self, statement: Callable[..., Any], *args: Any) -> Any:
        return await self._after(statement, await self._store.read(statement, *args))

    async def write(self, statement: Callable[..., Any], *args: Any) -> Any:
        return await self._after(statement, await self._store.write(statement, *args))

    async def _after(self, statement: Callable[..., Any], answer: Any) -> Any:
        if statement is self._statement:
            await self._happens()
        return answer


async def test_a_cancel_that_comes_while_the_operation_is_taken_up_is_not_lost(open_worker: OpenWorker) -> None:
    caller = await open_worker(concurrency=0)
    worker = await open_worker(BELLS_ALONE, lease=NEVER)
    names: list[str] = []

    async def cancelled() -> None:
        await until(lambda: names)
        await caller.operations.cancel(names[0], "team-a")
        await asyncio.sleep(0.1)  # the bell is quicker than the answer

    runner = worker.operations._runner
    runner._store = Between(runner._store, by_workers.claim, cancelled)
    names.append(await caller.start(ask("hold")))
    await until_state(caller, names[0], State.STATE_CANCELLED)

    assert not worker.provider.under_way


async def test_what_was_deleted_and_started_anew_here_under_the_same_id_stops(
    open_worker: OpenWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cancellations, "tell", lambda self, ids: None)  # the bell comes too late
    worker = await open_worker(lease=NEVER)
    options = StartOptions(operation_id="mine")
    with capture_logs() as logs:
        for calls in (1, 2):
            name = (await worker.operations.start(ask("hold"), OWNER, options)).name
            await until(lambda calls=calls: len(worker.provider.calls) == calls)  # type: ignore[misc]
            if calls == 1:
                await worker.operations.delete(name, OWNER)
        await until(lambda: "operation.discarded" in [line["event"] for line in logs])
        worker.provider.gate.set()
        done = await worker.done(name)
        await until(lambda: len(worker.finished) == 1)

    assert text_of(done) == "a piece for hold"


async def test_a_stop_that_could_not_be_read_is_looked_at_again(two: Two) -> None:
    ledger, one, _ = two
    failures = [unavailable()]

    async def fails() -> None:
        if failures:
            raise failures.pop()

    runs = {one.held.id: _run(one)}
    stops = Cancellations(Between(ledger, by_workers.orders, fails), runs)
    await ledger.write(forget, OWNER, one.held.id)
    stops.tell([one.held.id])
    with pytest.raises(CompletionError):
        await stops.look()
    await stops.look()

    assert runs[one.held.id].lost


async def test_only_the_attempt_that_is_not_the_newest_any_more_is_lost(two: Two) -> None:
    ledger, one, other = two
    old, kept = _run(one), _run(other)
    runs = {one.held.id: old, other.held.id: kept}
    newest: list[Run] = []

    async def comes_back() -> None:
        newest.append(_run(await _again(ledger, one)))
        runs[one.held.id] = newest[0]

    await _again(ledger, one)
    stops = Cancellations(Between(ledger, by_workers.orders, comes_back), runs)
    stops.tell([one.held.id, other.held.id])
    await stops.look()

    assert old.lost
    assert not kept.lost
    assert not newest[0].lost


async def test_an_attempt_that_has_just_ended_is_not_called_lost(two: Two) -> None:
    ledger, one, _ = two
    run = _run(one)
    stops = Cancellations(ledger, {one.held.id: run})
    await ledger.write(by_workers.requeue, one.held, 0)
    await ledger.write(cancel, OWNER, one.held.id, b"", TTL)
    stops.tell(None)
    await stops.look()

    assert not run.lost


@pytest.fixture
async def two(open_store: OpenStore) -> Two:
    """A ledger, and two operations that were taken up."""
    ledger = await open_store()
    for number in (1, 2):
        await ledger.write(start, new(number))
    one, other = await claim(ledger)
    return ledger, one, other


async def _again(ledger: OperationStore, one: Claimed) -> Claimed:
    """Takes it up once more, as if the lease had run out."""

    def back(connection: Connection) -> None:
        connection.execute(text("UPDATE operations SET state = 'QUEUED' WHERE id = :id"), {"id": one.held.id})

    await ledger.write(back)
    return (await claim(ledger))[0]


def _run(claimed: Claimed) -> Run:
    return Run(claimed, Engine(Catalogue({}, {})))
