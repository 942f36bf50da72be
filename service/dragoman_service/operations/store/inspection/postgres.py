"""Looks at a PostgreSQL database over one connection."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from dragoman_service.operations.model.errors import OperationStoreError, first_line_of
from dragoman_service.operations.store.libpq_url import SHAPE, read_url

CONNECT_SECONDS = 5.0
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


async def look_at_postgres(url: str) -> Seen:
    """What the server at `url` says. Raises OperationStoreError."""
    address = read_url(url, CONNECT_SECONDS)
    try:
        connection = await asyncpg.connect(
            address.url,
            timeout=address.connect_seconds,
            command_timeout=CONNECT_SECONDS,
            statement_cache_size=0,
            server_settings={"application_name": "dragoman doctor"},
            target_session_attrs="primary",
        )
        try:
            return await _asked(connection)
        finally:
            connection.terminate()
    except asyncpg.TargetServerAttributeNotMatched:
        raise OperationStoreError("the server is a standby, which takes no writes") from None
    except (ValueError, asyncpg.ClientConfigurationError):
        # Without the driver's message, which may quote the URL and so its password.
        raise OperationStoreError(SHAPE) from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise OperationStoreError(f"the database cannot be used: {first_line_of(error)}") from error


async def _asked(connection: asyncpg.Connection[asyncpg.Record]) -> Seen:
    row = await connection.fetchrow(_FACTS)
    if row is None:
        raise OperationStoreError("the database cannot be used: it did not answer")
    rows = await connection.fetch("SELECT version_num FROM alembic_version") if row["has_tables"] else []
    return Seen({str(one["version_num"]) for one in rows}, row["most"], row["others"], row["time"])
