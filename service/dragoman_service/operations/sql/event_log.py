"""The event logs: read after a cursor, compacted once they are complete."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Executable, bindparam, case, delete, func, null, select

from dragoman_service.operations.model.event_codec import join
from dragoman_service.operations.model.records import Chunk, Record, View
from dragoman_service.operations.sql.by_callers import RECORD
from dragoman_service.operations.sql.schema import is_kept, operations, output_log
from dragoman_service.operations.sql.transaction import Transaction

_c, _l = operations.c, output_log.c


def view(
    connection: Connection, owner: str, operation_id: str, after: int, most_bytes: int, most_chunks: int
) -> View | None:
    """The operation and the chunks of its log that hold events after number `after`, in order.

    As many chunks as hold `most_bytes` bytes or a little more, but at least one and at most `most_chunks`. While there
    are chunks, the operation lacks its response. None: the owner has no such operation.
    """
    row = connection.execute(_behind(), {"asked": operation_id, "asker": owner, "after": after}).one_or_none()
    if row is None:
        return None
    record = Record(*row)
    if record.last_sequence <= after:
        return View(record, [])
    rows = connection.execute(_after(), _asked(record.id, after, most_bytes, most_chunks))
    return View(record, [Chunk(*row) for row in rows])


@cache
def _behind() -> Executable:
    """The record, which has its response only if the log has nothing more, since that may be long."""
    after = bindparam("after", type_=BigInteger)
    columns = [case((_c.last_sequence > after, null()), else_=_c.response) if c is _c.response else c for c in RECORD]
    return select(*columns).where(_c.id == bindparam("asked"), _c.owner == bindparam("asker"), is_kept())


@cache
def _after() -> Executable:
    of: Any = bindparam("of")
    after, most = bindparam("after", type_=BigInteger), bindparam("most_bytes", type_=BigInteger)
    begin = select(func.max(_l.first_sequence)).where(_l.operation_id == of, _l.first_sequence <= after + 1)
    found = (
        select(_l.first_sequence, _l.last_sequence, _l.events)
        .where(_l.operation_id == of, _l.first_sequence >= begin.scalar_subquery())
        .order_by(_l.first_sequence)
        .limit(bindparam("most_chunks"))
        .subquery()
        .c
    )
    size = func.length(found.events)
    before = (func.sum(size).over(order_by=found.first_sequence) - size).label("before")
    sized = select(found.first_sequence, found.last_sequence, found.events, before).subquery().c
    chunk = (sized.first_sequence, sized.last_sequence, sized.events)
    return select(*chunk).where(sized.before < most).order_by(sized.first_sequence)


def _asked(operation_id: str, after: int, most_bytes: int, most_chunks: int) -> dict[str, object]:
    return {"of": operation_id, "after": after, "most_bytes": most_bytes, "most_chunks": most_chunks}


def compact(transaction: Transaction, operation_id: str, largest_chunk: int) -> None:
    """Joins the chunks of an operation that is done, up to `largest_chunk` bytes each."""
    # A log that another transaction has locked, or that was deleted meanwhile, is left alone.
    locked = select(operations.c.id).where(operations.c.id == operation_id).with_for_update(skip_locked=True)
    if transaction.execute(locked).first() is None:
        return
    transaction.log.flush()
    chunks = select(_l.first_sequence, _l.last_sequence, _l.events).where(_l.operation_id == operation_id)
    found = [Chunk(*row) for row in transaction.execute(chunks.order_by(_l.first_sequence))]
    joined = join(found, largest_chunk)
    if len(joined) < len(found):
        transaction.execute(delete(output_log).where(_l.operation_id == operation_id))
        transaction.log.append([(operation_id, chunk) for chunk in joined])
