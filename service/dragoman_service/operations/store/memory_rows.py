"""The rows of the memory store, and its clock."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from dragoman_service.operations.model.changes import Changes, OnChange
from dragoman_service.operations.model.records import Chunk, Ended, Held, New, Progress, Record, State

_RECORD = tuple(each.name for each in fields(Record))
_PROGRESS = tuple(each.name for each in fields(Progress))


@dataclass(slots=True)
class Row:
    """An operation with its lease and its log. Times in milliseconds since 1970."""

    new: New
    request_id: str | None
    create_time: int
    update_time: int
    state: str = State.QUEUED
    cancel_requested: bool = False
    start_time: int | None = None
    end_time: int | None = None
    expire_time: int | None = None
    attempt: int = 0
    worker: str | None = None
    lease_until: int = 0
    losses: int = 0
    provider: str = ""
    last_sequence: int = 0
    output_characters: int = 0
    usage: bytes | None = None
    response: bytes | None = None
    error: bytes | None = None
    chunks: list[Chunk] = field(default_factory=list)

    @property
    def record(self) -> Record:
        """The operation as its caller may see it."""
        values = {name: getattr(self if hasattr(self, name) else self.new, name) for name in _RECORD}
        return Record(**values)

    @property
    def held(self) -> Held:
        """The newest lease; nobody holds it unless the operation is RUNNING."""
        return Held(self.new.id, self.attempt, self.worker or "")

    @property
    def ended(self) -> Ended:
        """The operation's end."""
        return Ended(self.new.id, self.state, self.create_time, self.start_time, self.end_time or 0)

    def is_kept(self, now: int) -> bool:
        """The operation has not expired."""
        return self.expire_time is None or self.expire_time > now

    def write(self, progress: Progress, now: int) -> None:
        """How far the attempt has come."""
        for name in _PROGRESS:
            setattr(self, name, getattr(progress, name))
        self.update_time = now

    def append(self, chunk: Chunk | None) -> bool:
        """Appends to the log, or replaces a chunk that began with the same event. False: the log has it already."""
        if chunk is None or (self.chunks and chunk.last <= self.chunks[-1].last):
            return False
        if self.chunks and self.chunks[-1].first == chunk.first:
            self.chunks.pop()
        self.chunks.append(chunk)
        return True

    def end(self, state: str, ttl: int, now: int) -> Ended:
        """The operation reaches a final state, and is kept for its own TTL or for `ttl`."""
        self.state, self.worker = state, None
        self.update_time = self.end_time = now
        self.expire_time = now + (ttl if self.new.ttl is None else self.new.ttl)
        return self.ended


class Memory:
    """All rows by id, and those who have the store open."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.page_key = secrets.token_bytes(32)
        self._receivers: list[OnChange] = []

    @property
    def in_use(self) -> bool:
        """Somebody has it open."""
        return bool(self._receivers)

    def attach(self, on_change: OnChange) -> None:
        """Reports changes to `on_change` from now on."""
        self._receivers.append(on_change)

    def detach(self, on_change: OnChange) -> None:
        """Reports nothing to it any more."""
        self._receivers.remove(on_change)

    def publish(self, changes: Changes, origin: OnChange) -> None:
        """Reports changes to all; `origin` is the one who made them."""
        for receiver in tuple(self._receivers):
            changes.notify(receiver, own=receiver is origin)

    def find(self, owner: str, operation_id: str) -> Row | None:
        """The owner's operation, unless it has expired."""
        row = self.rows.get(operation_id)
        return row if row is not None and row.new.owner == owner and row.is_kept(clock()) else None

    def running(self) -> Iterable[Row]:
        """The rows of operations that run, or ran when their worker was lost."""
        return (row for row in self.rows.values() if row.state == State.RUNNING)

    def held(self, held: Held) -> Row | None:
        """The row that the lease is for, if it is still held."""
        row = self.rows.get(held.id)
        return row if row is not None and row.state == State.RUNNING and row.held == held else None


def clock() -> int:
    """Now, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
