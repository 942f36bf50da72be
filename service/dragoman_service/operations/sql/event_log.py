"""The event log of operations: read after a cursor, made compact when it is complete, deleted with its operation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Executable, bindparam, delete, func, select

from dragoman_service.operations.model.records import Chunk, View
from dragoman_service.operations.sql.by_callers import get
from dragoman_service.operations.sql.log_buffer import append, settle
from dragoman_service.operations.sql.schema import operations, output_log

MOST_CHUNKS = 500  # in one view
LARGEST_CHUNK = 1024 * 1024  # bytes, of those that are joined

_l = output_log.c


def view(connection: Connection, owner: str, operation_id: str, after: int, most_bytes: int) -> View | None:
    """The operation and the chunks of its log that hold events after number `after`, in order.

    Of the chunks as many as have `most_bytes` bytes or a little more, and one at least. None: there is no such
    operation of that owner.
    """
    record = get(connection, owner, operation_id)
    if record is None:
        return None
    if record.last_sequence <= after:
        return View(record, [])
    rows = connection.execute(_after(), {"of": record.id, "after": after, "most_bytes": most_bytes})
    return View(record, [Chunk(*row) for row in rows])


@cache
def _after() -> Executable:
    of: Any = bindparam("of")
    after, most = bindparam("after", type_=BigInteger), bindparam("most_bytes", type_=BigInteger)
    begin = select(func.max(_l.first_sequence)).where(_l.operation_id == of, _l.first_sequence <= after + 1)
    found = (
        select(_l.first_sequence, _l.last_sequence, _l.events)
        .where(_l.operation_id == of, _l.first_sequence >= begin.scalar_subquery())
        .order_by(_l.first_sequence)
        .limit(MOST_CHUNKS)
        .subquery()
        .c
    )
    size = func.length(found.events)
    before = (func.sum(size).over(order_by=found.first_sequence) - size).label("before")
    sized = select(found.first_sequence, found.last_sequence, found.events, before).subquery().c
    chunk = (sized.first_sequence, sized.last_sequence, sized.events)
    return select(*chunk).where(sized.before < most).order_by(sized.first_sequence)


def compact(connection: Connection, operation_id: str) -> None:
    """Joins the chunks of an operation that is done."""
    # A log that others are at as well, or that was deleted meanwhile, is left alone.
    locked = select(operations.c.id).where(operations.c.id == operation_id).with_for_update(skip_locked=True)
    if connection.execute(locked).first() is None:
        return
    settle(connection)
    chunks = select(_l.first_sequence, _l.last_sequence, _l.events).where(_l.operation_id == operation_id)
    found = [Chunk(*row) for row in connection.execute(chunks.order_by(_l.first_sequence))]
    joined = _join(found)
    if len(joined) < len(found):
        connection.execute(delete(output_log).where(_l.operation_id == operation_id))
        append(connection, [(operation_id, chunk) for chunk in joined])


def _join(chunks: Sequence[Chunk]) -> list[Chunk]:
    groups: list[list[Chunk]] = []
    size = LARGEST_CHUNK
    for chunk in chunks:
        size += len(chunk.events)
        if size > LARGEST_CHUNK:
            groups.append([])
            size = len(chunk.events)
        groups[-1].append(chunk)
    return [Chunk(group[0].first, group[-1].last, b"".join(one.events for one in group)) for group in groups]
