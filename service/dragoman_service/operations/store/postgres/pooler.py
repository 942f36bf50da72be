"""Finds out what stands in front of the server: nothing, or a pooler such as PgBouncer, and what that one can do."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.store.libpq_url import DatabaseAddress
from dragoman_service.operations.store.postgres.connections import Pooling, connector

ROUNDS = 3  # in which two clients compare the sessions that they are given
STATEMENT_MODE = (
    "a pooler in statement mode leads to it, which allows no transactions: set its pool_mode to transaction or "
    "session (in PgBouncer also for a single database, as in `dragoman = host=… pool_mode=transaction`)"
)
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
        return await _pooling(address, session)
    except asyncpg.PostgresError as error:
        if "statement pooling" in str(error):
            raise OperationStoreError(STATEMENT_MODE) from None
        if "unsupported startup parameter" not in str(error):  # which only a pooler says
            raise
    try:
        return await _pooling(address, {"application_name": session["application_name"]})
    except asyncpg.PostgresError as error:
        if "statement pooling" in str(error):
            raise OperationStoreError(STATEMENT_MODE) from None
        raise


async def _pooling(address: DatabaseAddress, settings: Mapping[str, str]) -> Pooling:
    async with _client(address, settings) as client:
        async with client.transaction():
            [(session, *where)] = await client.fetch(_WHERE)
            database = tuple(where)
            if client.get_server_pid() == session:
                return Pooling(database=database)
            names = await _renames(client)
        async with _client(address, settings) as other:
            shares = await _share(client, other)
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


async def _share(one: Client, other: Client) -> bool:
    """Whether two clients, both connected, were given the same session in turn, or one of them several."""
    seen: tuple[set[int], set[int]] = (set(), set())
    for _ in range(ROUNDS):
        for client, sessions in zip((one, other), seen, strict=True):
            async with client.transaction():
                sessions.add(await client.fetchval("SELECT pg_backend_pid()"))
    return bool(seen[0] & seen[1]) or max(map(len, seen)) > 1
