"""Fresh stores of operations for each test, and workers on them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from dragoman_service.operations.model.changes import OnChange
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.operations.store.database import Database
from dragoman_service.operations.store.interface import OperationStore, StoreContext
from dragoman_service.operations.store.opening import open_store as open_at
from dragoman_service.testing.operation_laws.replicas.replica import Replica, Setup, open_replica
from dragoman_service.testing.operation_laws.stage import Store
from openers import SLOTS, OpenStore, OpenWorker, database_of
from postgres_server import PostgresServer

SETTINGS = {"concurrency": SLOTS, "lease": 15.0, "max_attempts": 3}
OpenStoreAt = Callable[[str, StoreContext], AbstractAsyncContextManager[OperationStore]]


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


@pytest.fixture
def memory_store(tmp_path: Path) -> Store:
    """A fresh memory."""
    return Store(f"memory:{tmp_path}", tmp_path, survives=False)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """A fresh store of each kind."""
    store: Store = request.getfixturevalue(f"{request.param}_store")
    return store


@pytest.fixture(params=["sqlite", "postgres"])
def sql_store(request: pytest.FixtureRequest) -> Store:
    """A fresh store of each kind that speaks SQL."""
    store: Store = request.getfixturevalue(f"{request.param}_store")
    return store


@pytest.fixture
async def open_store(store: Store) -> AsyncIterator[OpenStore]:
    """Opens the test's store, once for each process that a test imagines."""
    async with AsyncExitStack() as stack:

        async def open_one(on_change: OnChange = lambda changed, work, stopped: None) -> OperationStore:
            return await stack.enter_async_context(open_at(store.url, StoreContext(store.folder, on_change)))

        yield open_one


@pytest.fixture
async def opened(open_store: OpenStore) -> OperationStore:
    """The test's store, open."""
    return await open_store()


@pytest.fixture
async def database(open_store: OpenStore) -> Database:
    """The database of the test's store, for tests that speak SQL."""
    return database_of(await open_store())


@pytest.fixture
async def open_worker(store: Store) -> AsyncIterator[OpenWorker]:
    """Opens a worker on the test's store; keyword arguments change its options."""
    numbers = itertools.count()
    async with AsyncExitStack() as stack:

        async def open_one(
            intervals: Intervals | None = None, opener: OpenStoreAt = open_at, **options: Any
        ) -> Replica:
            chosen = {"name": f"w{next(numbers)}", "url": store.url, **SETTINGS, **options}
            setup = Setup(folder=str(store.folder), **chosen)
            intervals = intervals or Intervals(poll=0.1, count=0.05)
            return await stack.enter_async_context(open_replica(setup, intervals, opener))

        yield open_one


@pytest.fixture
async def worker(open_worker: OpenWorker) -> Replica:
    return await open_worker()
