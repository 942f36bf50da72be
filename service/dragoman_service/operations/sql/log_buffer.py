"""Appends to event logs: what the statements of one transaction append is written together at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Table

from dragoman_service.operations.model.records import Chunk
from dragoman_service.operations.sql.schema import output_log

Insert = Callable[[Table], Any]
"""The INSERT of a database, with its ON CONFLICT: each dialect of SQLAlchemy has one of its own."""

_l = output_log.c


class LogBuffer:
    """The chunks that a transaction has yet to write.

    Grouping pays more than anything else here: hundreds of operations stream at the same time, and one statement for
    the chunks of all costs little more than one for the chunk of a single operation.
    """

    def __init__(self, connection: Connection, insert: Insert) -> None:
        self._connection, self._insert = connection, insert
        self._rows: list[dict[str, Any]] = []

    def append(self, chunks: Iterable[tuple[str, Chunk]]) -> None:
        """Appends to the logs of operations, each chunk with the operation's id.

        A chunk replaces one that began with the same event: a writer that could not know whether that one was stored
        sends its events again, the same bytes, and perhaps some more.
        """
        for of, chunk in chunks:
            sequences = {"first_sequence": chunk.first, "last_sequence": chunk.last}
            self._rows.append({"operation_id": of, "events": chunk.events, **sequences})

    def flush(self) -> None:
        """Writes the chunks. Call it at the end, and before the transaction reads a log or deletes from one."""
        if self._rows:
            rows, self._rows = self._rows, []
            self._connection.execute(_append(self._insert), rows)


@cache
def _append(insert: Insert) -> Executable:
    stored = insert(output_log)
    same = (_l.operation_id, _l.first_sequence)
    new = {"last_sequence": stored.excluded.last_sequence, "events": stored.excluded.events}
    longer = stored.excluded.last_sequence > _l.last_sequence
    statement: Executable = stored.on_conflict_do_update(index_elements=same, set_=new, where=longer)
    return statement
