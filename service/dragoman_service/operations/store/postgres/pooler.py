"""Finds out what stands in front of the server: nothing, or a pooler such as PgBouncer, and what that one can do."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeAlias

import asyncpg

from dragoman_service.operations.model.errors import OperationStoreError, first_line_of
from dragoman_service.operations.store.libpq_url import DatabaseAddress, read_url
from dragoman_service.operations.store.postgres.connections import CONNECT_SECONDS, TROUBLE, Pooling, Route, connector

ROUNDS = 3  # in which two clients compare the sessions that they are given
SHARING_SECONDS = 2.0  # for all of them
STATEMENT_MODE = (
    "a pooler in statement mode leads to it, which allows no transactions: set its pool_mode to transaction or "
    "session (in PgBouncer also for a single database, as in `dragoman = host=… pool_mode=transaction`)"
)
DEAF = "a pooler in transaction mode loses notifications, so changes are looked for every 250 ms"
HEARING = "Set operations.direct_url to the server's own address, or operations.listen to poll"
_WHERE = """
    SELECT pg_backend_pid() AS session, pg_postmaster_start_time()::text AS server, current_database()::text AS name,
    coalesce(current_schema(), '')::text AS schema
"""
Client: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def pooling_of(address: DatabaseAddress, session: Mapping[str, str]) -> Pooling:
    """What answers at `address`. `session`: the settings that a session would have without a pooler.

    Raises OperationStoreError for a pooler in statement mode, otherwise what connecting raises.
    """
    try:
        try:
            return await _pooling(address, session)
        except asyncpg.PostgresError as error:
            if "unsupported startup parameter" not in str(error):  # which only a pooler says
                raise
        return await _pooling(address, {"application_name": session["application_name"]})
    except asyncpg.PostgresError as error:
        if "statement pooling" in str(error):
            raise OperationStoreError(STATEMENT_MODE) from None
        raise


async def direct_route(url: str, main: Route) -> Route:
    """The route at `url` for what needs a session of its own. Raises OperationStoreError if it is not that.

    `main` leads to the database for all else.
    """
    try:
        route = Route(read_url(url, CONNECT_SECONDS), main.frozen)
        pooling = await pooling_of(route.address, route.session)
    except OperationStoreError as error:
        raise OperationStoreError(f"operations.direct_url: {error}") from None
    except TROUBLE as error:
        raise OperationStoreError(f"operations.direct_url cannot be used: {first_line_of(error)}") from error
    if pooling.shares:
        raise OperationStoreError("operations.direct_url leads to a pooler in transaction mode too: name the server")
    if main.pooling.database and pooling.database != main.pooling.database:
        raise OperationStoreError("operations.direct_url leads to another database or schema than operations.url")
    return replace(route, pooling=pooling)


async def _pooling(address: DatabaseAddress, settings: Mapping[str, str]) -> Pooling:
    async with _client(address, settings) as client:
        async with client.transaction():
            [(session, *where)] = await client.fetch(_WHERE)
            database = tuple(where)
            if client.get_server_pid() == session:
                return Pooling(database=database)
            names = await _renames(client)
        shares = await _shares(client, address, settings)
    return Pooling(pooled=True, shares=shares, names=names, database=database)


@asynccontextmanager
async def _client(address: DatabaseAddress, session: Mapping[str, str]) -> AsyncIterator[Client]:
    client = await connector(address, session)()
    try:
        yield client
    finally:
        client.terminate()


async def _renames(client: Client) -> bool:
    """Whether the pooler gives names of its own to the statements of its clients, as PgBouncer 1.21 and later can."""
    name = f"dragoman_{secrets.token_hex(8)}"
    asked = f"SELECT '{name}'"
    await client.prepare(asked, name=name)
    found = await client.fetchval("SELECT name FROM pg_prepared_statements WHERE statement = $1", asked)
    if found == name:
        await client.execute(f"DEALLOCATE {name}")  # the next client in this session must not find it
    return found is not None and found != name


async def _shares(client: Client, address: DatabaseAddress, settings: Mapping[str, str]) -> bool:
    """Whether another client is given the session of this one, which stays connected. If none is left for it: no."""
    try:
        async with asyncio.timeout(SHARING_SECONDS), _client(address, settings) as other:
            return await _take_turns(client, other)
    except TROUBLE:
        return False


async def _take_turns(one: Client, other: Client) -> bool:
    """Whether two clients were given the same session in turn, or one of them several."""
    seen: tuple[set[int], set[int]] = (set(), set())
    for _ in range(ROUNDS):
        for client, sessions in zip((one, other), seen, strict=True):
            async with client.transaction():
                sessions.add(await client.fetchval("SELECT pg_backend_pid()"))
    return bool(seen[0] & seen[1]) or max(map(len, seen)) > 1
