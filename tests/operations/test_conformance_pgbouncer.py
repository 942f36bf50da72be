"""Laws of operation stores, kept by PostgreSQL behind PgBouncer in transaction mode: by polling, and by a direct URL.

The laws are those in which replicas learn of each other's changes, and some of the queue. Replicas run in this process,
each with connections of its own, because processes take long to start.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
from dragoman_service.contract import CompletionError
from dragoman_service.testing.operation_laws.queue import SharingLaws
from dragoman_service.testing.operation_laws.reach import ReachLaws
from dragoman_service.testing.operation_laws.replicas.replica import Replica
from dragoman_service.testing.operation_laws.stage import (
    Stage,
    Staged,
    Store,
    authors_of,
    check_log,
    metadata_of,
    state_of,
    text_of,
)
from pgbouncer_server import Pooler, pooler
from postgres_server import PostgresServer
from waiting import until

OPERATIONS = 40


@pytest.fixture(scope="module")
def sharing(postgres: PostgresServer) -> Iterator[Pooler]:
    """A pooler in transaction mode."""
    with pooler(postgres, "transaction") as running:
        yield running


@pytest.fixture
def polled(postgres_store: Store, sharing: Pooler) -> Store:
    """A store that is asked for changes."""
    url = sharing.url(database_in(postgres_store))
    return Store(url, postgres_store.folder, survives=False, listen="poll")


@pytest.fixture
def listened_to(postgres_store: Store, sharing: Pooler) -> Store:
    """A store whose notifications come past the pooler."""
    url = sharing.url(database_in(postgres_store))
    return Store(url, postgres_store.folder, survives=False, direct_url=postgres_store.url)


def database_in(store: Store) -> str:
    return store.url.partition("@/")[2].partition("?")[0]


class TestPolling(ReachLaws, SharingLaws):
    """What other processes do is seen within 250 ms."""

    @pytest.fixture
    def store(self, polled: Store) -> Store:
        return polled


class TestDirectUrl(Staged):
    """What other processes do is seen at once."""

    @pytest.fixture
    def store(self, listened_to: Store) -> Store:
        return listened_to

    test_work = ReachLaws.test_work_that_is_started_elsewhere_is_taken_up_at_once
    test_cancellation = ReachLaws.test_cancelling_elsewhere_stops_what_runs_at_once
    test_deletion = ReachLaws.test_deleting_elsewhere_stops_what_runs_and_those_who_read_it
    test_text = ReachLaws.test_text_arrives_elsewhere_while_it_is_generated


class TestKilledPooler(Staged):
    """Its death is like that of the store."""

    @pytest.fixture
    def store(self, postgres_store: Store, killed: Pooler, way: str) -> Store:
        url = killed.url(database_in(postgres_store))
        if way == "poll":
            return Store(url, postgres_store.folder, listen="poll")
        return Store(url, postgres_store.folder, direct_url=postgres_store.url)

    @pytest.fixture
    def killed(self, postgres: PostgresServer) -> Iterator[Pooler]:
        with pooler(postgres, "transaction") as running:
            yield running

    @pytest.mark.parametrize("way", ["poll", "direct"])
    async def test_a_pooler_that_is_killed_costs_no_operation_and_doubles_none(
        self, stage: Stage, killed: Pooler
    ) -> None:
        workers = [await stage.here(concurrency=OPERATIONS // 2) for _ in range(2)]
        caller = await stage.here(concurrency=0)
        names = await caller.start_all("beat 8 0.1", OPERATIONS)
        await until(lambda: all(worker.provider.calls for worker in workers))
        await asyncio.to_thread(killed.stop)
        refused = await started(caller)
        await asyncio.sleep(1.0)  # they end meanwhile
        await asyncio.to_thread(killed.start)
        while (name := await started(caller)) is None:
            await asyncio.sleep(0.05)
        done = [await caller.wait(one, seconds=30) for one in (*names, name)]
        asked = Counter(operation_id for _, operation_id in stage.calls())

        assert refused is None
        assert Counter(map(state_of, done)) == {"SUCCEEDED": OPERATIONS + 1}
        assert {metadata_of(one).attempts for one in done} == {1}
        assert set(asked.values()) == {1}
        for operation in done:
            check_log(operation, await caller.attach(operation.name))

            assert len(authors_of(text_of(operation))) == 1


async def started(caller: Replica) -> str | None:
    """The name of one more operation; None: the store is away."""
    try:
        return await caller.start("now")
    except CompletionError:
        return None
