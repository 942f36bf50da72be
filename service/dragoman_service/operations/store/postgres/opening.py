"""Opens the store in PostgreSQL: one connection writes, a few read, and one listens to other processes, or nobody does
and the store is asked again and again."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import structlog

from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.notify.polling import Poller, polling
from dragoman_service.operations.notify.postgres import PostgresListener, listening
from dragoman_service.operations.sql.connection_health import Health, reason_of
from dragoman_service.operations.sql.migrate import Migration
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.libpq_url import read_url
from dragoman_service.operations.store.postgres.connections import CONNECT_SECONDS, TROUBLE, Route
from dragoman_service.operations.store.postgres.database import READERS, PostgresDatabase
from dragoman_service.operations.store.postgres.pooler import DEAF, HEARING, direct_route, pooling_of
from dragoman_service.operations.store.relational import SqlStore

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_postgres(
    url: str, context: StoreContext, *, probe: float = 3.0, frozen: float = 5.0
) -> AsyncIterator[SqlStore]:
    """The store in the database at `url`, see `read_url`. Raises OperationStoreError.

    A process that stands still within a transaction loses it after `frozen` seconds, so that others can use the rows
    that it has locked. Every `probe` seconds such processes are looked for, and the listening connection is checked.
    """
    route = await _surveyed(Route(read_url(url, CONNECT_SECONDS), frozen))
    direct = await direct_route(context.direct_url, route) if context.direct_url else None
    tag = secrets.token_hex(4)
    database = PostgresDatabase(
        route.engine(READERS, read_only=True, isolation_level="REPEATABLE READ"),
        route.engine(1),
        tag,
        lambda changes: changes.notify(context.on_change, own=True),
        local=route.local if route.pooling.pooled else None,
        gate=route.gate,
    )
    try:
        migration = await _migrated(database, direct, allowed=context.migrate)
        async with _changes(database, direct or route, tag, context, probe):
            yield SqlStore(database, migration)
    finally:
        await database.close()


async def _surveyed(route: Route) -> Route:
    """The route, with what stands in front of the server."""
    with _needed(), Health(*TROUBLE, store="postgresql").watched(writing=False):
        return replace(route, pooling=await pooling_of(route.address, route.session))


async def _migrated(database: PostgresDatabase, direct: Route | None, *, allowed: bool) -> Migration:
    engine = direct.engine(1) if direct is not None else None
    try:
        with _needed():
            return await database.migrate(engine, allowed=allowed)
    finally:
        if engine is not None:
            await engine.dispose()


@contextmanager
def _needed() -> Iterator[None]:
    """Raises OperationStoreError if the database cannot be used."""
    try:
        yield
    except CompletionError as error:
        raise OperationStoreError(f"the database cannot be used: {reason_of(error.__cause__ or error)}") from error


@asynccontextmanager
async def _changes(
    database: PostgresDatabase, route: Route, tag: str, context: StoreContext, probe: float
) -> AsyncIterator[None]:
    """Tells of the changes of other processes meanwhile."""

    async def end_frozen() -> float:
        await database.end_frozen(route.frozen)
        return probe

    poller = Poller(database.marks, end_frozen, context.watched, context.on_change)
    if context.listen == "poll" or route.pooling.shares:
        if context.listen != "poll":
            log.warning("operations.deaf", message=f"{DEAF}. {HEARING}")
        async with polling(poller):
            yield
        return
    connect = route.connector(patient=True)
    listener = PostgresListener(
        connect, tag, context.on_change, echo=database.notify, poll=poller.run, probe=probe, frozen=route.frozen
    )
    async with listening(listener):
        yield
