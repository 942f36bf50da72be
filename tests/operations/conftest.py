"""The stores of operations that every test runs on, fresh for each, and workers on them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dragoman_service.engine.catalogue import Catalogue
from dragoman_service.engine.engine import Engine
from dragoman_service.operations import open_operations
from dragoman_service.operations.model.changes import OnChange
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.operations.store.store import OperationStore
from dragoman_service.operations.store.store import open_store as opening
from dragoman_service.testing.operation_laws.stage import Store
from gated_provider import GatedProvider
from operation_worker import Counting, Options, Worker
from postgres_server import PostgresServer, find_programs, postgres_server

OpenWorker = Callable[..., Awaitable[Worker]]
OpenStore = Callable[..., Awaitable[OperationStore]]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests of the session."""
    programs = find_programs()
    if programs is None:
        missing = "PostgreSQL's programs are missing (Debian: apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with postgres_server(programs) as server:
        yield server


@pytest.fixture
async def postgres_store(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty database."""
    name = await postgres.lend_database()
    yield Store(postgres.url(name), tmp_path, postgres.restart)
    await postgres.take_back(name)


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Store:
    """A fresh file."""
    return Store("sqlite:///operations.db", tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """A fresh store of each kind."""
    store: Store = request.getfixturevalue(f"{request.param}_store")
    return store


@pytest.fixture
async def open_store(store: Store) -> AsyncIterator[OpenStore]:
    """Opens the ledger of the test's store, as often as there are to be processes on it."""
    async with AsyncExitStack() as stack:

        async def open_one(on_change: OnChange = lambda changed, work, stopped: None) -> OperationStore:
            return await stack.enter_async_context(opening(store.url, store.folder, on_change))

        yield open_one


@pytest.fixture
async def ledger(open_store: OpenStore) -> OperationStore:
    return await open_store()


@pytest.fixture
async def open_worker(store: Store) -> AsyncIterator[OpenWorker]:
    """Opens a worker on the test's store; keyword arguments change its options."""
    async with AsyncExitStack() as stack:

        async def open_one(intervals: Intervals | None = None, **options: Any) -> Worker:
            provider, chosen = GatedProvider(), replace(Options(url=store.url), **options)
            engine, observer = Engine(Catalogue({"tests": provider}, {})), Counting()
            opened = open_operations(
                chosen, store.folder, engine, observer, intervals or Intervals(poll=0.1, count=0.05)
            )
            operations = await stack.enter_async_context(opened)
            return Worker(operations, provider, engine, chosen, observer.outcomes, observer.counts)

        yield open_one


@pytest.fixture
async def worker(open_worker: OpenWorker) -> Worker:
    return await open_worker()
