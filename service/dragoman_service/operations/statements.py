"""What callers do to the ledger: start, get, list, cancel, delete; and what keeps it small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import Enum, auto
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Row,
    String,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from dragoman_service.operations.records import Ended, New, Record, State
from dragoman_service.operations.tables import is_kept, now, operations, secrets

_FIXED_BYTES = 512  # of an operation without its labels and its outcome, about

_c = operations.c
_RECORD = tuple(_c[field.name] for field in fields(Record))
ENDED = tuple(_c[field.name] for field in fields(Ended))


class Cancelled(Enum):
    """What became of a wish to cancel."""

    ENDED = auto()
    """It was queued and is cancelled now."""
    ASKED = auto()
    """It is running and marked; its worker will end it."""
    TOO_LATE = auto()
    """It had come to its final state before."""


def start(connection: Connection, new: New) -> Record:
    """Stores a new operation, QUEUED."""
    values = {field.name: getattr(new, field.name) for field in fields(New)}
    return Record(*connection.execute(_insert(), values).one())


@cache  # building a statement takes longer than running it: those of every operation are built once
def _insert() -> Executable:
    first = {"state": State.QUEUED, "cancel_requested": False, "attempt": 0, "losses": 0, "provider": ""}
    untold = {"last_sequence": 0, "output_characters": 0}
    return insert(operations).values(**first, **untold, create_time=now(), update_time=now()).returning(*_RECORD)


def get(connection: Connection, owner: str, operation_id: str) -> Record | None:
    """The operation, if it is that owner's."""
    row = connection.execute(_select(), {"asked": operation_id, "asker": owner}).one_or_none()
    return None if row is None else Record(*row)


@cache
def _select() -> Executable:
    return select(*_RECORD).where(_c.id == bindparam("asked"), _c.owner == bindparam("asker"), is_kept())


def page(
    connection: Connection,
    owner: str,
    where: ColumnElement[bool],
    before: str | None,
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
        found = found.where(_c.id < before)
    rows = connection.execute(found.order_by(_c.id.desc()).limit(size + 1)).all()
    ids = _within(rows[:size], most_bytes)
    chosen = connection.execute(select(*_RECORD).where(_c.id.in_(ids)).order_by(_c.id.desc()))
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
    mine = _mine(owner, operation_id)
    ended = connection.execute(
        update(operations)
        .where(*mine, _c.state == State.QUEUED)
        .values(state=State.CANCELLED, error=error, end_time=now(), update_time=now(), expire_time=now() + ttl)
        .returning(*ENDED)
    ).one_or_none()
    if ended is not None:
        return Cancelled.ENDED, Ended(*ended)
    marked = update(operations).where(*mine, _c.state == State.RUNNING).values(cancel_requested=True, update_time=now())
    if connection.execute(marked).rowcount:
        return Cancelled.ASKED, None
    return (Cancelled.TOO_LATE, None) if get(connection, owner, operation_id) else None


def forget(connection: Connection, owner: str, operation_id: str) -> bool:
    """Deletes the operation. False: there is no such operation of that owner."""
    return connection.execute(delete(operations).where(*_mine(owner, operation_id))).rowcount > 0


def sweep(connection: Connection, limit: int) -> int:
    """Deletes at most `limit` expired operations; returns how many."""
    expired = select(_c.id).where(_c.expire_time <= now()).order_by(_c.expire_time).limit(limit)
    return connection.execute(delete(operations).where(_c.id.in_(expired))).rowcount


def count_states(connection: Connection) -> Mapping[str, int]:
    """How many operations are in each state."""
    rows = connection.execute(select(_c.state, func.count()).group_by(_c.state)).all()
    return {state.value: 0 for state in State} | {row[0]: row[1] for row in rows}


def page_key(connection: Connection) -> bytes:
    """The key that page tokens are signed with: the same for all who share the database."""
    return bytes(connection.execute(select(secrets.c.value).where(secrets.c.name == "page_token")).scalar_one())


def _mine(owner: str, operation_id: str) -> tuple[ColumnElement[bool], ...]:
    return _c.id == operation_id, _c.owner == owner, is_kept()
