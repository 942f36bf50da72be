"""A transaction that writes: its connection, and the changes and log chunks that are due at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable

from dragoman_service.operations.model.changes import Changes
from dragoman_service.operations.sql.log_buffer import Insert, LogBuffer

Result = CursorResult[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the statements have to know about their database."""

    insert: Insert
    lock_claims: Executable | None = None
    """Makes claims that count running operations wait for each other; None where there is only one writer anyway."""


class Transaction:
    """Statements write through it. `flush` ends their work; whoever opened the connection commits."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self.connection, self.dialect = connection, dialect
        self.changes = Changes()
        self.log = LogBuffer(connection, dialect.insert)

    def execute(self, statement: Executable, values: dict[str, Any] | Sequence[Any] | None = None) -> Result:
        """Runs a statement."""
        result: Result = self.connection.execute(statement, values)
        return result

    def flush(self) -> Changes:
        """Writes what is due, and returns what others must learn once it is committed."""
        self.log.flush()
        return self.changes
