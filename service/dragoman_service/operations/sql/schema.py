"""The tables of operations, and the clock of the database."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
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
    case,
    false,
    literal,
    literal_column,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

metadata = MetaData()

# All times are milliseconds since 1970 by the database's clock, because the clocks of the machines may differ.
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
    # The lease. `attempt` only ever grows, so it fences off every earlier holder.
    Column("attempt", Integer, nullable=False),
    Column("worker", String),
    Column("lease_until", BigInteger),
    Column("losses", Integer, nullable=False),
    Column("handbacks", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False),
    # The progress of the running attempt, or of the last one.
    Column("provider", String, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("output_characters", BigInteger, nullable=False),
    Column("usage", LargeBinary),
    Column("response", LargeBinary),
    Column("error", LargeBinary),
    # Options of the caller. A `ttl` of NULL stands for the setting.
    Column("target", String, nullable=False, server_default=""),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("ttl", BigInteger),
    Column("request_id", String),
    Column("request_hash", LargeBinary),
    Column("trace", String),
    Column("keep_request", Boolean, nullable=False, server_default=false()),
    Column("note", String, nullable=False, server_default=""),
)
_c = operations.c

# Literals, not parameters: only then does the planner see that the partial indexes below apply. There is no index on
# `state` alone: SQLite would choose it for the queue, and sort the whole queue each time.
is_queued: ColumnElement[bool] = _c.state == literal_column("'QUEUED'")
is_running: ColumnElement[bool] = _c.state == literal_column("'RUNNING'")
has_ended: ColumnElement[bool] = _c.expire_time.is_not(None)


# The events of each operation, numbered from 1 without gaps over all its attempts. Each row holds consecutive events,
# each with a big-endian length of 4 bytes before it.
output_log = Table(
    "output_log",
    metadata,
    Column("operation_id", String, primary_key=True),
    Column("first_sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("events", LargeBinary, nullable=False),
)

# Who has the database open. A row is no lease: nothing is decided by it.
workers = Table(
    "workers",
    metadata,
    Column("id", String, primary_key=True),
    Column("host", String, nullable=False),
    Column("version", String, nullable=False),
    Column("roles", String, nullable=False),
    Column("draining", Boolean, nullable=False),
    Column("in_flight", Integer, nullable=False),
    Column("operations", Integer, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)


@cache
def metadata_with_indexes() -> MetaData:
    """The tables with their indexes, for comparisons with a database.

    Statements need no indexes, and these load the dialects of both databases, of which a service uses one.
    """

    def add(name: str, *columns: Any, where: ColumnElement[bool] | None = None, unique: bool = False) -> None:
        Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)

    add("operations_by_owner", _c.owner, _c.create_time, _c.id)
    add("operations_by_request_id", _c.owner, _c.request_id, where=_c.request_id.is_not(None), unique=True)
    add("operations_queued", _c.priority.desc(), _c.create_time, _c.id, _c.target, where=is_queued)
    add("operations_queued_by_owner", _c.owner, _c.priority.desc(), _c.create_time, _c.id, _c.target, where=is_queued)
    add("operations_running", _c.lease_until, _c.target, where=is_running)
    add("operations_by_expiry", _c.expire_time, _c.state, where=has_ended)
    return metadata


def columns_of(kind: type) -> tuple[Column[Any], ...]:
    """The columns of `operations` that make up this dataclass, in the order of its fields."""
    return tuple(_c[field.name] for field in fields(kind))


class now(FunctionElement[int]):  # noqa: N801 - reads like the SQL function that it is
    """The database's clock, in milliseconds since 1970; constant within a statement."""

    type = BigInteger()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_in_sqlite(element: now, compiler: SQLCompiler, **options: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER)"


@compiles(now, "postgresql")
def _now_in_postgresql(element: now, compiler: SQLCompiler, **options: Any) -> str:
    return "CAST(extract(epoch FROM statement_timestamp()) * 1000 AS BIGINT)"


class bytewise(FunctionElement[str]):  # noqa: N801 - reads like an SQL function
    """A text that compares by its bytes, whatever the collation of the database."""

    type = String()
    inherit_cache = True


@compiles(bytewise)
def _bytewise(element: bytewise, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(bytewise, "postgresql")
def _bytewise_in_postgresql(element: bytewise, compiler: SQLCompiler, **options: Any) -> str:
    return f'({compiler.process(element.clauses, **options)} COLLATE "C")'


def request_after_end() -> ColumnElement[bytes]:
    """What an operation that ends has as its request: nobody needs it any more, unless its caller wants to keep it."""
    return case((_c.keep_request, _c.request), else_=literal(b"", LargeBinary))


def is_kept() -> ColumnElement[bool]:
    """The operation has not expired; one that has may not be swept yet."""
    return _c.expire_time.is_(None) | (_c.expire_time > now())
