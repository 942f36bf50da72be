"""The tables of the ledger, and its clock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

metadata = MetaData()

# All times are milliseconds since 1970 by the database's clock: the machines that share it need not agree.
operations = Table(
    "operations",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("model", String, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("state", String, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("start_time", BigInteger),
    Column("update_time", BigInteger, nullable=False),
    Column("end_time", BigInteger),
    Column("expire_time", BigInteger),
    # The lease. `attempt` only ever grows, so that it fences off every earlier holder.
    Column("attempt", Integer, nullable=False),
    Column("worker", String),
    Column("lease_until", BigInteger),
    Column("losses", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    # What the running attempt, or the last one, has done.
    Column("provider", String, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("output_characters", BigInteger, nullable=False),
    Column("usage", LargeBinary),
    Column("response", LargeBinary),
    Column("error", LargeBinary),
)

_ENDED = text("expire_time IS NOT NULL")
Index("operations_by_owner", operations.c.owner, operations.c.id)
Index("operations_by_age", operations.c.state, operations.c.create_time, operations.c.id)
Index("operations_by_expiry", operations.c.expire_time, sqlite_where=_ENDED, postgresql_where=_ENDED)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)


class now(FunctionElement[int]):  # noqa: N801 - reads as the SQL function that it is
    """The database's clock in milliseconds since 1970; the same throughout one statement."""

    type = BigInteger()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_in_sqlite(element: now, compiler: SQLCompiler, **options: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER)"


def is_kept() -> ColumnElement[bool]:
    """The operation has not expired, whether or not its row was swept already."""
    return operations.c.expire_time.is_(None) | (operations.c.expire_time > now())
