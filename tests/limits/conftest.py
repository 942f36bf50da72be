"""Stores of limits, each in a fresh database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from dragoman_service.limits.store.interface import LimitStore
from dragoman_service.limits.store.opening import limits_of
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from ledgers import Place
from postgres_server import PostgresServer


@pytest.fixture
async def postgres_place(postgres: PostgresServer, tmp_path: Path) -> Place:
    return Place(postgres.url(await postgres.make_database()), tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def shared_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A database that several processes can open."""
    if request.param == "sqlite":
        return Place("sqlite:///operations.db", tmp_path)
    place: Place = request.getfixturevalue("postgres_place")
    return place


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A fresh database of each kind."""
    if request.param == "postgres":
        place: Place = request.getfixturevalue("postgres_place")
        return place
    return Place({"memory": "memory:", "sqlite": "sqlite:///operations.db"}[request.param], tmp_path)


@pytest.fixture
async def open_limits() -> AsyncIterator[Callable[[Place], Awaitable[LimitStore]]]:
    """Opens the limits at a place."""
    async with AsyncExitStack() as stack:

        async def open_one(place: Place) -> LimitStore:
            context = StoreContext(place.folder, lambda changed, work, stopped: None)
            return limits_of(await stack.enter_async_context(open_store(place.url, context)))

        yield open_one


@pytest.fixture
async def limits(place: Place, open_limits: Callable[[Place], Awaitable[LimitStore]]) -> LimitStore:
    """A fresh store of limits, of each kind."""
    return await open_limits(place)
