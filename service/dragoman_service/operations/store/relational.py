"""The store of operations in an SQL database: each method is a statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.claims import ClaimRequest, Claims, Pending
from dragoman_service.operations.model.records import Ended, Ending, Held, New, Record, Step, View
from dragoman_service.operations.model.requests import Cancellation, Page, PageRequest, Started
from dragoman_service.operations.model.workers import Worker
from dragoman_service.operations.sql import by_callers, by_workers, event_log, insert, retention
from dragoman_service.operations.sql.migrate import Migration
from dragoman_service.operations.store.database import Database


class SqlStore:
    """An `OperationStore`, see there.

    `migration` is what opening did to the tables. `most_chunks` is the most chunks in one view, `largest_chunk` the
    most bytes of a chunk that `compact` makes.
    """

    def __init__(
        self,
        database: Database,
        migration: Migration | None = None,
        *,
        most_chunks: int = 500,
        largest_chunk: int = 128 * 1024,
    ) -> None:
        self.database, self.migration = database, migration
        self._most_chunks, self._largest_chunk = most_chunks, largest_chunk

    async def start(self, new: New, work: Work = Work.OPEN) -> Started:
        return await self.database.write(insert.start, new, work)

    async def get(self, owner: str, operation_id: str) -> Record | None:
        return await self.database.select(by_callers.get, owner, operation_id)

    async def request(self, owner: str, operation_id: str) -> bytes | None:
        return await self.database.select(by_callers.request_of, owner, operation_id)

    async def view(self, owner: str, operation_id: str, after: int, most_bytes: int) -> View | None:
        return await self.database.read(event_log.view, owner, operation_id, after, most_bytes, self._most_chunks)

    async def page(self, request: PageRequest) -> Page:
        return await self.database.read(by_callers.page, request)

    async def cancel(self, owner: str, operation_id: str, error: bytes, ttl: int) -> Cancellation | None:
        return await self.database.write(by_callers.cancel, owner, operation_id, error, ttl)

    async def delete(self, owner: str, operation_id: str) -> bool:
        return await self.database.write(by_callers.forget, owner, operation_id)

    async def stored(self, owner: str, most: int) -> int:
        return await self.database.select(by_callers.stored, owner, most)

    async def has_request(self, owner: str, request_id: str) -> bool:
        return await self.database.select(by_callers.has_request, owner, request_id)

    async def count_states(self) -> Mapping[str, int]:
        return await self.database.select(by_callers.count_states)

    async def oldest_queued(self) -> int:
        return await self.database.select(by_callers.oldest_queued)

    async def page_key(self) -> bytes:
        return await self.database.select(by_callers.page_key)

    async def pending(self, held: Sequence[Held]) -> Pending:
        return await self.database.select(by_workers.pending, held)

    async def claim(self, request: ClaimRequest) -> Claims:
        return await self.database.write(by_workers.claim, request)

    async def renew(self, lease: int, held: Sequence[Held]) -> Mapping[str, bool]:
        return await self.database.write(by_workers.renew, lease, held)

    async def orders(self, held: Sequence[Held]) -> Mapping[Held, bool]:
        return await self.database.select(by_workers.orders, held)

    async def append(self, steps: Sequence[Step]) -> set[str]:
        return await self.database.write(by_workers.append, steps)

    async def finish(self, held: Held, ending: Ending, ttl: int) -> Ended | None:
        return await self.database.write(by_workers.finish, held, ending, ttl)

    async def requeue(self, held: Held, losses: int) -> bool:
        return await self.database.write(by_workers.requeue, held, losses)

    async def beat(self, worker: Worker) -> None:
        await self.database.write(by_workers.beat, worker)

    async def leave(self, worker_id: str) -> None:
        await self.database.write(by_workers.leave, worker_id)

    async def workers(self) -> Sequence[Worker]:
        return await self.database.select(by_workers.living)

    async def compact(self, operation_id: str) -> None:
        await self.database.write(event_log.compact, operation_id, self._largest_chunk)

    async def sweep(self, limit: int) -> int:
        return await self.database.write(retention.sweep, limit)
