"""Stores a new operation, unless it is one that its caller has started before."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum, auto
from functools import cache
from typing import Any

from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from sqlalchemy import Connection, Executable, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from dragoman_service.operations.model import changes
from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.records import New, Record, State
from dragoman_service.operations.sql.retention import erase
from dragoman_service.operations.sql.schema import columns_of, is_kept, now, operations

_MOST_TRIES = 10  # each of them was lost against another transaction, which has come to its end

_c = operations.c
_RECORD = columns_of(Record)


class Start(Enum):
    """What became of a wish to start."""

    CREATED = auto()
    """It is stored, QUEUED."""
    JOINED = auto()
    """The caller has started it before, under the same request id."""
    REUSED = auto()
    """The caller has used the request id for another request."""
    EXISTS = auto()
    """The caller has another operation of that id."""


def start(connection: Connection, new: New, work: Work = Work.OPEN) -> tuple[Start, Record]:
    """Stores a new operation; or returns the one that was there before it and is in its way. `work`: who takes it up.

    One that was cancelled, or has failed in a way that may be tried again, gives up its request id to the new one.
    """
    for _ in range(_MOST_TRIES):
        if new.request_id is not None and (before := _under_request_id(connection, new)) is not None:
            return before
        row = connection.execute(_insert(connection.dialect.name), _values(new)).one_or_none()
        if row is not None:
            changes.work_added(connection, work)
            return Start.CREATED, Record(*row)
        if (same := _under_id(connection, new)) is not None:
            return Start.EXISTS, same
    raise RuntimeError(f"the operation {new.id} could neither be stored nor found")


def _values(new: New) -> dict[str, Any]:
    return {field.name: getattr(new, field.name) for field in fields(New)}


@cache  # building a statement takes longer than running it: those of every operation are built once
def _insert(dialect: str) -> Executable:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    first = {"state": State.QUEUED, "cancel_requested": False, "attempt": 0, "losses": 0, "provider": ""}
    untold = {"last_sequence": 0, "output_characters": 0}
    times = {"create_time": now(), "update_time": now()}
    given: dict[str, Any] = {field.name: bindparam(field.name) for field in fields(New)}
    stored = insert(operations).values(**first, **untold, **times, **given)
    return stored.on_conflict_do_nothing().returning(*_RECORD)


def _under_request_id(connection: Connection, new: New) -> tuple[Start, Record] | None:
    same = (_c.owner == new.owner, _c.request_id == new.request_id)
    found = select(_c.request_hash, is_kept(), *_RECORD).where(*same).with_for_update()
    row: Any = connection.execute(found).one_or_none()
    if row is None:
        return None
    record = Record(*row[2:])
    if row[1] and not _may_be_tried_again(record):
        return Start.JOINED if row[0] == new.request_hash else Start.REUSED, record
    connection.execute(update(operations).where(_c.id == record.id).values(request_id=None))
    return None


def _under_id(connection: Connection, new: New) -> Record | None:
    """The operation of the same id; one that has expired makes way."""
    found = select(is_kept(), *_RECORD).where(_c.id == new.id).with_for_update()
    row: Any = connection.execute(found).one_or_none()
    if row is None:
        return None
    if row[0]:
        return Record(*row[1:])
    erase(connection, [new.id])
    return None


def _may_be_tried_again(record: Record) -> bool:
    if record.state == State.FAILED:
        return any(info.metadata.get("retryable") == "true" for info in _infos(record.error or b""))
    return record.state == State.CANCELLED or (record.cancel_requested and not record.done)


def _infos(error: bytes) -> list[error_details_pb2.ErrorInfo]:
    infos = []
    for detail in Status.FromString(error).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            infos.append(info)
    return infos
