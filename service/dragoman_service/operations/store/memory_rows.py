"""The rows of the memory store, and its clock."""

from __future__ import annotations

import heapq
import itertools
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace

from dragoman_service.operations.model.changes import Changes, OnChange
from dragoman_service.operations.model.claims import ClaimRequest
from dragoman_service.operations.model.records import Chunk, Claimed, Ended, Held, New, Progress, Record, State
from dragoman_service.operations.model.requests import PageRequest
from dragoman_service.operations.model.turns import Candidate
from dragoman_service.operations.model.workers import SILENCE, Worker

_RECORD = tuple(each.name for each in fields(Record))
_PROGRESS = tuple(each.name for each in fields(Progress))
_FIXED_BYTES = 512  # roughly what an operation takes beside its labels and its outcome


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
    handbacks: int = 0
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

    def claim(self, request: ClaimRequest) -> Claimed:
        """A worker begins an attempt."""
        now, new = clock(), self.new
        self.state, self.worker, self.attempt = State.RUNNING, request.worker, self.attempt + 1
        self.start_time, self.update_time, self.lease_until = now, now, now + request.lease
        self.provider, self.output_characters, self.usage = "", 0, None
        return Claimed(
            held=self.held,
            owner=new.owner,
            request=new.request,
            cancel_requested=self.cancel_requested,
            losses=self.losses,
            max_attempts=new.max_attempts,
            last_sequence=self.last_sequence,
            ttl=new.ttl,
            trace=new.trace,
        )

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
        if not self.new.keep_request:
            self.new = replace(self.new, request=b"")
        self.update_time = self.end_time = now
        self.expire_time = now + (ttl if self.new.ttl is None else self.new.ttl)
        return self.ended


class Memory:
    """All rows by id, the queue, and those who have the store open."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.running: dict[str, Row] = {}
        """Rows of operations that run, or whose worker was lost."""
        self._queue: list[tuple[int, int, str, int, Row]] = []
        self._count = itertools.count()
        self.page_key = secrets.token_bytes(32)
        self._receivers: list[OnChange] = []
        self._workers: dict[str, Worker] = {}

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

    def beat(self, worker: Worker) -> None:
        """The worker lives."""
        now = clock()
        started = self._workers[worker.id].started if worker.id in self._workers else now
        self._workers[worker.id] = replace(worker, started=started, seen=now)

    def leave(self, worker_id: str) -> None:
        """The worker ends."""
        self._workers.pop(worker_id, None)

    def living(self) -> list[Worker]:
        """The workers that are not gone."""
        living = [one for one in self._workers.values() if one.seen > clock() - SILENCE]
        return sorted(living, key=lambda one: (one.host, one.started, one.id))

    def find(self, owner: str, operation_id: str) -> Row | None:
        """The owner's operation, unless it has expired."""
        row = self.rows.get(operation_id)
        return row if row is not None and row.new.owner == owner and row.is_kept(clock()) else None

    def enqueue(self, row: Row) -> None:
        """Puts a queued operation into its place in the queue."""
        place = (-row.new.priority, row.create_time, row.new.id, next(self._count))  # no two rows have the same
        heapq.heappush(self._queue, (*place, row))

    def first_queued(self) -> Row | None:
        """The operation that is due; it stays in the queue."""
        # Operations that were cancelled or deleted leave their places behind.
        while self._queue and not self._is_queued(self._queue[0][-1]):
            heapq.heappop(self._queue)
        return self._queue[0][-1] if self._queue else None

    def oldest_queued(self) -> int:
        """How many milliseconds ago the oldest queued operation was created; 0 without one."""
        now = clock()
        return max((now - row.create_time for row in self.rows.values() if row.state == State.QUEUED), default=0)

    def dequeue(self) -> Row | None:
        """Takes the operation that is due out of the queue."""
        row = self.first_queued()
        if row is not None:
            heapq.heappop(self._queue)
        return row

    def queued_by_owner(self) -> dict[str, list[Candidate]]:
        """What each caller has in the queue, in the order it is due. It stays in the queue, see `remove`."""
        found: dict[str, list[Candidate]] = {}
        for *_, row in sorted(self._queue):
            if self._is_queued(row):
                new = row.new
                candidate = Candidate(new.id, new.owner, new.target, new.priority, row.create_time)
                found.setdefault(new.owner, []).append(candidate)
        return found

    def remove(self, ids: Collection[str]) -> list[Row]:
        """Takes these operations out of the queue; their rows in the order of `ids`."""
        self._queue = [place for place in self._queue if self._is_queued(place[-1]) and place[2] not in ids]
        heapq.heapify(self._queue)
        return [self.rows[operation_id] for operation_id in ids]

    def _is_queued(self, row: Row) -> bool:
        return row.state == State.QUEUED and self.rows.get(row.new.id) is row

    def held(self, held: Held) -> Row | None:
        """The row that the lease is for, if it is still held."""
        row = self.running.get(held.id)
        return row if row is not None and row.held == held else None

    def delete(self, operation_id: str) -> None:
        """Deletes the operation with its log."""
        del self.rows[operation_id]
        self.running.pop(operation_id, None)


def clock() -> int:
    """Now, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def is_before(record: Record, request: PageRequest) -> bool:
    """Whether the record comes after the last one of the page before."""
    return request.before is None or (record.create_time, record.id) < request.before


def weight(record: Record) -> int:
    """Roughly the bytes that the record takes in an answer."""
    labels = sum(len(key) + len(value) for key, value in record.labels.items())
    return _FIXED_BYTES + labels + len(record.response or b"") + len(record.error or b"")
