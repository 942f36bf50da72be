"""Looks at a PostgreSQL database over a few connections, one after the other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import asyncpg

from dragoman_service.operations.model.errors import OperationStoreError, first_line_of
from dragoman_service.operations.store.libpq_url import read_url
from dragoman_service.operations.store.postgres.connections import (
    CONNECT_SECONDS,
    TROUBLE,
    Pooling,
    Route,
    connector,
)
from dragoman_service.operations.store.postgres.pooler import direct_route, pooling_of

FROZEN_SECONDS = 5.0  # nothing here takes as long
_FACTS = """
    SELECT
        current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true), '0')::int AS most,
        (SELECT count(*) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND application_name <> 'dragoman' AND pid <> pg_backend_pid()
        )::int AS others,
        extract(epoch FROM clock_timestamp())::float8 AS time,
        to_regclass('alembic_version') IS NOT NULL AS has_tables
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the server says. `time` is in seconds since 1970, by its clock."""

    steps: set[str]
    most: int
    others: int
    time: float
    pooling: Pooling


async def look_at_postgres(url: str, direct_url: str) -> Seen:
    """What the server at `url` says, and whether `direct_url`, if there is one, is such. Raises OperationStoreError."""
    route = Route(read_url(url, CONNECT_SECONDS), FROZEN_SECONDS)
    try:
        route = replace(route, pooling=await pooling_of(route.address, route.session))
        connection = await connector(route.address, {"application_name": "dragoman doctor"})()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                seen = await _asked(connection, route.pooling)
        finally:
            connection.terminate()
    except TROUBLE as error:
        raise OperationStoreError(f"the database cannot be used: {first_line_of(error)}") from error
    if direct_url:
        await direct_route(direct_url, route)
    return seen


async def _asked(connection: asyncpg.Connection[asyncpg.Record], pooling: Pooling) -> Seen:
    row = await connection.fetchrow(_FACTS)
    if row is None:
        raise OperationStoreError("the database cannot be used: it did not answer")
    rows = await connection.fetch("SELECT version_num FROM alembic_version") if row["has_tables"] else []
    return Seen({str(one["version_num"]) for one in rows}, row["most"], row["others"], row["time"], pooling)
