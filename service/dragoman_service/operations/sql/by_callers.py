"""What callers do to the ledger: start, get, list, cancel, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Executable,
    Row,
    String,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
    update,
)

from dragoman_service.operations.model import changes
from dragoman_service.operations.model.records import Ended, Record, State
from dragoman_service.operations.sql.insert import Start, start
from dragoman_service.operations.sql.retention import erase_logs
from dragoman_service.operations.sql.schema import (
    columns_of,
    has_ended,
    is_kept,
    is_queued,
    is_running,
    now,
    operations,
    secrets,
)
from dragoman_service.operations.store.store import one_select

__all__ = [
    "ENDED",
    "Cancelled",
    "Position",
    "Start",
    "cancel",
    "count_states",
    "forget",
    "get",
    "page",
    "page_key",
    "start",
]

_FIXED_BYTES = 512  # of an operation without its labels and its outcome, about

_c = operations.c
RECORD = columns_of(Record)
ENDED = columns_of(Ended)


_NEWEST_FIRST = (_c.create_time.desc(), _c.id.desc())


class Position(NamedTuple):
    """A place in the order in which operations are listed."""

    create_time: int
    id: str


class Cancelled(Enum):
    """What became of a wish to cancel."""

    ENDED = auto()
    """It was queued and is cancelled now."""
    ASKED = auto()
    """It is running and marked; its worker will end it."""
    TOO_LATE = auto()
    """It had come to its final state before."""


@one_select
def get(connection: Connection, owner: str, operation_id: str) -> Record | None:
    """The operation, if it is that owner's."""
    row = connection.execute(_select(), {"asked": operation_id, "asker": owner}).one_or_none()
    return None if row is None else Record(*row)


@cache
def _select() -> Executable:
    return select(*RECORD).where(_c.id == bindparam("asked"), _c.owner == bindparam("asker"), is_kept())


def page(
    connection: Connection,
    owner: str,
    where: ColumnElement[bool],
    before: Position | None,
    size: int,
    most_bytes: int,
) -> tuple[list[Record], bool]:
    """The owner's newest operations older than `before`, newest first, and whether there are more.

    At most `size`, and fewer if they take more than `most_bytes` together; but at least one.
    """
    sized = (cast(_c.labels, String), _c.response, _c.error)
    weight = sum((func.coalesce(func.length(column), 0) for column in sized), literal(_FIXED_BYTES))
    found = select(_c.id, weight.label("weight")).where(_c.owner == owner, is_kept(), where)
    if before is not None:
        found = found.where(tuple_(_c.create_time, _c.id) < before)
    rows = connection.execute(found.order_by(*_NEWEST_FIRST).limit(size + 1)).all()
    ids = _within(rows[:size], most_bytes)
    chosen = connection.execute(select(*RECORD).where(_c.id.in_(ids)).order_by(*_NEWEST_FIRST))
    return [Record(*row) for row in chosen], len(ids) < len(rows)


def _within(rows: Sequence[Row[Any, Any]], most_bytes: int) -> list[str]:
    ids: list[str] = []
    for row in rows:
        most_bytes -= row.weight
        if ids and most_bytes < 0:
            break
        ids.append(row.id)
    return ids


def cancel(
    connection: Connection, owner: str, operation_id: str, error: bytes, ttl: int
) -> tuple[Cancelled, Ended | None] | None:
    """Ends a queued operation, marks a running one. None: there is no such operation of that owner."""
    asked = {"asked": operation_id, "asker": owner, "failure": error, "kept": ttl}
    row: Any = connection.execute(_cancel(), asked).one_or_none()
    if row is None:
        return (Cancelled.TOO_LATE, None) if get(connection, owner, operation_id) else None
    if row.state == State.CANCELLED:
        changes.changed(connection, row.id)
        return Cancelled.ENDED, Ended(*row)
    changes.stopped(connection, row.id)
    return Cancelled.ASKED, None


@cache
def _cancel() -> Executable:
    # One statement for both: between two, a worker could take the operation up or give it back.
    kept = now() + func.coalesce(_c.ttl, bindparam("kept", type_=BigInteger))
    ended = {"state": literal(State.CANCELLED.value), "error": bindparam("failure"), "end_time": now()}
    where_queued = {name: case((is_queued, value), else_=_c[name]) for name, value in ended.items()}
    asked = update(operations).where(*_mine(bindparam("asker"), bindparam("asked")), or_(is_queued, is_running))
    marked = asked.values(cancel_requested=or_(_c.cancel_requested, is_running), update_time=now(), **where_queued)
    return marked.values(expire_time=case((is_queued, kept), else_=_c.expire_time)).returning(*ENDED)


def forget(connection: Connection, owner: str, operation_id: str) -> bool:
    """Deletes the operation and its log. False: there is no such operation of that owner."""
    gone = connection.execute(delete(operations).where(*_mine(owner, operation_id)).returning(_c.id)).scalars().all()
    erase_logs(connection, gone)
    changes.stopped(connection, *gone)
    return bool(gone)


@one_select
def count_states(connection: Connection) -> Mapping[str, int]:
    """How many operations are in each state."""
    counts = (
        select(_c.state, func.count()).where(some).group_by(_c.state) for some in (is_queued, is_running, has_ended)
    )
    rows = connection.execute(union_all(*counts)).all()
    return {state.value: 0 for state in State} | {row[0]: row[1] for row in rows}


@one_select
def page_key(connection: Connection) -> bytes:
    """The key that page tokens are signed with: the same for all who share the database."""
    return bytes(connection.execute(select(secrets.c.value).where(secrets.c.name == "page_token")).scalar_one())


def _mine(owner: Any, operation_id: Any) -> tuple[ColumnElement[bool], ...]:
    return _c.id == operation_id, _c.owner == owner, is_kept()
