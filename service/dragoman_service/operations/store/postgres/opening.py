"""Opens the store in PostgreSQL: one connection writes, a few read, and one listens to other processes, or nobody does
and the store is asked again and again."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog

from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.errors import OperationStoreError, first_line_of
from dragoman_service.operations.notify.polling import Poller, polling
from dragoman_service.operations.notify.postgres import PostgresListener, listening
from dragoman_service.operations.sql.connection_health import reason_of
from dragoman_service.operations.sql.migrate import Migration, load_alembic
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.libpq_url import read_url
from dragoman_service.operations.store.postgres.connections import CONNECT_SECONDS, TROUBLE, Pooling, Route
from dragoman_service.operations.store.postgres.database import READERS, PostgresDatabase
from dragoman_service.operations.store.postgres.pooler import pooling_of
from dragoman_service.operations.store.relational import SqlStore

DEAF = (
    "a pooler in transaction mode leads to the database, which loses its notifications: changes are looked for every "
    "250 ms. Set operations.direct_url to the server's own address, or operations.listen to poll"
)
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
    direct = await _direct(context.direct_url, route, frozen) if context.direct_url else None
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
    """The route, with what stands in front of the server. If nobody answers, what follows reports that."""
    try:
        return replace(route, pooling=await pooling_of(route.address, route.session))
    except TROUBLE:
        return route


async def _direct(url: str, main: Route, frozen: float) -> Route:
    """The route for what needs a session of its own."""
    route = Route(read_url(url, CONNECT_SECONDS), frozen)
    try:
        pooling = await pooling_of(route.address, route.session)
    except TROUBLE as error:
        raise OperationStoreError(f"operations.direct_url cannot be used: {first_line_of(error)}") from error
    if pooling.shares:
        raise OperationStoreError("operations.direct_url leads to a pooler in transaction mode too: name the server")
    if main.pooling != Pooling() and pooling.database != main.pooling.database:
        raise OperationStoreError("operations.direct_url leads to another database or schema than operations.url")
    return replace(route, pooling=pooling)


async def _migrated(database: PostgresDatabase, direct: Route | None, *, allowed: bool) -> Migration:
    load_alembic()
    engine = direct.engine(1) if direct is not None else None
    try:
        return await database.migrate(engine, allowed=allowed)
    except CompletionError as error:
        raise OperationStoreError(f"the database cannot be used: {reason_of(error.__cause__ or error)}") from error
    finally:
        if engine is not None:
            await engine.dispose()


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
            log.warning("operations.deaf", message=DEAF)
        async with polling(poller):
            yield
        return
    connect = route.connector(patient=True)
    listener = PostgresListener(
        connect, tag, context.on_change, echo=database.notify, poll=poller.run, probe=probe, frozen=route.frozen
    )
    async with listening(listener):
        yield
