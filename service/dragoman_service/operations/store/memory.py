"""Operations in the memory of one process, for quick tests: they are lost when it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from dragoman_service.operations.model.changes import Changes, OnChange, Work
from dragoman_service.operations.model.claims import ClaimRequest, Claims, Pending, Places
from dragoman_service.operations.model.conditions import holds
from dragoman_service.operations.model.errors import OperationStoreError, may_run_again, worker_lost
from dragoman_service.operations.model.records import (
    Chunk,
    Ended,
    Ending,
    Held,
    New,
    Record,
    State,
    Step,
    View,
)
from dragoman_service.operations.model.requests import Cancellation, Cancelled, Page, PageRequest, Start, Started
from dragoman_service.operations.model.turns import in_turn
from dragoman_service.operations.model.workers import Worker
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.memory_rows import Memory, Row, clock, is_before, weight

# Named memories are shared by all who open them in this process, as the replicas of a test do.
_named: dict[str, Memory] = {}


class MemoryStore:
    """An `OperationStore`, see there.

    Each method is a transaction because it awaits nothing. Reads first let other tasks run, as a real database does:
    whoever reads in a loop would else keep them waiting for ever.
    """

    def __init__(self, memory: Memory, on_change: OnChange) -> None:
        self._memory, self._on_change = memory, on_change

    @property
    def memory(self) -> Memory:
        """What all who have this store open share."""
        return self._memory

    async def start(self, new: New, work: Work = Work.OPEN) -> Started:
        if new.request_id is not None and (before := self._under_request_id(new)) is not None:
            return before
        rows, now = self._memory.rows, clock()
        if (same := rows.get(new.id)) is not None and same.is_kept(now):
            return Started(Start.EXISTS, same.record)
        row = rows[new.id] = Row(new, new.request_id, now, now)
        self._memory.enqueue(row)
        self._publish(Changes(work=work))
        return Started(Start.CREATED, row.record)

    async def get(self, owner: str, operation_id: str) -> Record | None:
        await asyncio.sleep(0)
        row = self._memory.find(owner, operation_id)
        return None if row is None else row.record

    async def request(self, owner: str, operation_id: str) -> bytes | None:
        row = self._memory.find(owner, operation_id)
        return None if row is None else row.new.request if row.new.keep_request else b""

    async def view(self, owner: str, operation_id: str, after: int, most_bytes: int) -> View | None:
        await asyncio.sleep(0)
        row = self._memory.find(owner, operation_id)
        if row is None:
            return None
        chunks: list[Chunk] = []
        for chunk in row.chunks:
            if most_bytes <= 0:
                break
            if chunk.last > after:
                chunks.append(chunk)
                most_bytes -= len(chunk.events)
        return View(row.record, chunks)

    async def page(self, request: PageRequest) -> Page:
        await asyncio.sleep(0)
        now = clock()
        mine = (row.record for row in self._memory.rows.values() if row.new.owner == request.owner and row.is_kept(now))
        found = [record for record in mine if holds(request.condition, record) and is_before(record, request)]
        found.sort(key=lambda record: (record.create_time, record.id), reverse=True)
        records: list[Record] = []
        left = request.most_bytes
        for record in found[: request.size]:
            left -= weight(record)
            if records and left < 0:
                break
            records.append(record)
        return Page(records, len(records) < len(found))

    async def cancel(self, owner: str, operation_id: str, error: bytes, ttl: int) -> Cancellation | None:
        row, now = self._memory.find(owner, operation_id), clock()
        if row is None:
            return None
        if row.state == State.QUEUED:
            row.error = error
            ended = row.end(State.CANCELLED, ttl, now)
            self._publish(Changes(changed={operation_id}))
            return Cancellation(Cancelled.ENDED, ended)
        if row.state != State.RUNNING:
            return Cancellation(Cancelled.TOO_LATE)
        row.cancel_requested, row.update_time = True, now
        self._publish(Changes(stopped={operation_id}))
        return Cancellation(Cancelled.ASKED)

    async def delete(self, owner: str, operation_id: str) -> bool:
        if self._memory.find(owner, operation_id) is None:
            return False
        self._memory.delete(operation_id)
        self._publish(Changes(stopped={operation_id}))
        return True

    async def stored(self, owner: str, most: int) -> int:
        await asyncio.sleep(0)
        now = clock()
        return min(most, sum(row.new.owner == owner and row.is_kept(now) for row in self._memory.rows.values()))

    async def has_request(self, owner: str, request_id: str) -> bool:
        await asyncio.sleep(0)
        now, wanted = clock(), (owner, request_id)
        return any((row.new.owner, row.request_id) == wanted and row.is_kept(now) for row in self._memory.rows.values())

    async def count_states(self) -> Mapping[str, int]:
        await asyncio.sleep(0)
        counts = Counter(row.state for row in self._memory.rows.values())
        return {state.value: counts[state] for state in State}

    async def oldest_queued(self) -> int:
        return self._memory.oldest_queued()

    async def page_key(self) -> bytes:
        return self._memory.page_key

    async def pending(self, held: Sequence[Held]) -> Pending:
        await asyncio.sleep(0)
        return Pending(bool(self._lost(held)), self._memory.first_queued() is not None)

    async def claim(self, request: ClaimRequest) -> Claims:
        ended = self._give_up(request)
        lost = sorted(self._lost(request.held), key=lambda row: row.lease_until)[: request.free]
        for row in lost:
            row.losses += 1
        taken = lost + self._next(request.free - len(lost), request)
        self._publish(Changes(changed={one.id for one in ended}))
        self._memory.running.update((row.new.id, row) for row in taken)
        return Claims([row.claim(request) for row in taken], ended)

    async def renew(self, lease: int, held: Sequence[Held]) -> Mapping[str, bool]:
        ours = [row for one in held if (row := self._memory.held(one)) is not None]
        for row in ours:
            row.lease_until = clock() + lease
        return {row.new.id: row.cancel_requested for row in ours}

    async def orders(self, held: Sequence[Held]) -> Mapping[Held, bool]:
        await asyncio.sleep(0)
        rows = self._memory.rows
        return {
            one: rows[one.id].cancel_requested
            for one in held
            if one.id in rows and rows[one.id].attempt == one.attempt and rows[one.id].worker in (one.worker, None)
        }

    async def append(self, steps: Sequence[Step]) -> set[str]:
        ours = [(row, step) for step in steps if (row := self._memory.held(step.held)) is not None]
        changes = Changes()
        for row, step in ours:
            row.write(step.progress, clock())
            if row.append(step.chunk):
                changes.logged.add(row.new.id)
        self._publish(changes)
        return {row.new.id for row, _ in ours}

    async def finish(self, held: Held, ending: Ending, ttl: int) -> Ended | None:
        row = self._memory.held(held)
        if row is None:
            return None
        row.write(ending.progress, clock())
        row.append(ending.chunk)
        row.response, row.error = ending.response, ending.error
        del self._memory.running[held.id]
        ended = row.end(ending.state, ttl, clock())
        self._publish(Changes(changed={held.id}))
        return ended

    async def requeue(self, held: Held, losses: int) -> bool:
        row = self._memory.held(held)
        if row is None:
            return False
        row.state, row.worker, row.update_time = State.QUEUED, None, clock()
        row.losses += losses
        row.handbacks += not losses
        del self._memory.running[held.id]
        self._memory.enqueue(row)
        self._publish(Changes(changed={held.id}, work=Work.OPEN))
        return True

    async def beat(self, worker: Worker) -> None:
        self._memory.beat(worker)

    async def leave(self, worker_id: str) -> None:
        self._memory.leave(worker_id)

    async def workers(self) -> Sequence[Worker]:
        return self._memory.living()

    async def compact(self, operation_id: str) -> None:
        """Does nothing: pieces cost nothing here."""

    async def sweep(self, limit: int) -> int:
        now = clock()
        expired = [row.new.id for row in self._memory.rows.values() if not row.is_kept(now)][:limit]
        for operation_id in expired:
            self._memory.delete(operation_id)
        return len(expired)

    def _publish(self, changes: Changes) -> None:
        self._memory.publish(changes, self._on_change)

    def _under_request_id(self, new: New) -> Started | None:
        for row in self._memory.rows.values():
            if (row.new.owner, row.request_id) == (new.owner, new.request_id):
                if not row.is_kept(clock()) or may_run_again(row.record):
                    row.request_id = None
                    return None
                same = row.new.request_hash == new.request_hash
                return Started(Start.JOINED if same else Start.REUSED, row.record)
        return None

    def _lost(self, held: Sequence[Held]) -> list[Row]:
        ours, now = {one.id for one in held}, clock()
        return [row for row in self._memory.running.values() if row.lease_until < now and row.new.id not in ours]

    def _give_up(self, request: ClaimRequest) -> list[Ended]:
        ended = []
        for row in self._lost(request.held):
            if row.losses + 1 >= row.new.max_attempts and not row.cancel_requested:
                row.losses += 1
                row.error = worker_lost(row.new.max_attempts).status(row.new.id).SerializeToString()
                del self._memory.running[row.new.id]
                ended.append(row.end(State.FAILED, request.ttl, clock()))
        return ended

    def _next(self, free: int, request: ClaimRequest) -> list[Row]:
        """The queued operations that are due, of models that are not full and callers that have not too much."""
        places = Places(Counter(row.new.target for row in self._memory.running.values()), request.limits)
        if request.sharing is not None:
            queues = map(iter, self._memory.queued_by_owner().values())
            chosen = in_turn(queues, request.sharing, free, places.take)
            return self._memory.remove([one.id for one in chosen])
        taken: list[Row] = []
        skipped: list[Row] = []
        while len(taken) < free and (row := self._memory.dequeue()) is not None:
            (taken if places.take(row.new.target) else skipped).append(row)
        for row in skipped:
            self._memory.enqueue(row)
        return taken


@asynccontextmanager
async def open_memory(url: str, context: StoreContext) -> AsyncIterator[MemoryStore]:
    """The store at `memory:`, empty; or at `memory:NAME`, which all who open it in this process share.

    Operations are gone once the last one leaves. Raises OperationStoreError if there are several workers.
    """
    if context.workers > 1:
        raise OperationStoreError("memory: holds the operations of one process, so server.workers must be 1")
    name = url.partition(":")[2]
    memory = _named.setdefault(name, Memory()) if name else Memory()
    memory.attach(context.on_change)
    try:
        yield MemoryStore(memory, context.on_change)
    finally:
        memory.detach(context.on_change)
        if not memory.in_use:
            _named.pop(name, None)
