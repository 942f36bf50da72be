"""Operations for callers: start, attach, get, list, wait, cancel, delete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial

from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.catalogue.fields import fit_fields
from dragoman_service.engine.engine import Engine
from dragoman_service.operations.idempotency import goes_on, request_hash
from dragoman_service.operations.listing.filter import parse
from dragoman_service.operations.listing.pages import PageTokens
from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.errors import (
    StoredError,
    cancelled,
    exists,
    no_listing,
    not_found,
    reading_over,
    request_id_reused,
    request_not_kept,
)
from dragoman_service.operations.model.ids import Ids, id_of, name_of, scoped
from dragoman_service.operations.model.intervals import Options
from dragoman_service.operations.model.records import New, Record
from dragoman_service.operations.model.requests import PageRequest, Start, Started
from dragoman_service.operations.model.workers import Worker
from dragoman_service.operations.quota import StoredQuota
from dragoman_service.operations.readers import Readers
from dragoman_service.operations.reading import OperationReader
from dragoman_service.operations.start_options import StartOptions
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.operations.view import operation
from dragoman_service.operations.worker.janitor import Janitor
from dragoman_service.operations.worker.registry import keeps_workers
from dragoman_service.operations.worker.runner import Runner
from dragoman_service.validation import limits
from dragoman_service.validation.rpcs import effective_page_size

MOST_PAGE_BYTES = 2 * 1024 * 1024  # gRPC clients accept 4 MiB by default


class Operations:
    """Completions that are answered later. All methods raise CompletionError; any of them OPERATIONS_UNAVAILABLE.

    `caller` owns the operations that it starts. Those of other callers are OPERATION_NOT_FOUND, like missing ones.
    """

    def __init__(
        self,
        store: OperationStore,
        runner: Runner,
        janitor: Janitor,
        reader: OperationReader,
        engine: Engine,
        tokens: PageTokens,
        options: Options,
        unlisted: Collection[str] = (),
    ) -> None:
        self._store, self._runner, self._janitor, self._engine = store, runner, janitor, engine
        self._reader, self._tokens = reader, tokens
        self._max_attempts, self._ttl = options.max_attempts, round(options.ttl * 1000)
        self._handback = options.handback
        self._unlisted = frozenset(unlisted)
        self._quota = StoredQuota(store, options.max_stored)
        self._readers = Readers(self._cancel)
        self._ids = Ids()

    @property
    def available(self) -> bool:
        """Whether the store could be used when that was last checked, which is about every second."""
        return self._janitor.store_usable and self._runner.store_usable

    async def start(
        self,
        request: v1.CompletionRequest,
        caller: str,
        options: StartOptions | None = None,
        target: Target | None = None,
    ) -> operations_pb2.Operation:
        """Stores the operation, QUEUED, or returns the one that the caller has started with the same `request_id`.

        `target` is the request's model, if it was resolved already. Raises the errors of `Engine.resolve`,
        UNSUPPORTED_FIELD, REQUEST_ID_REUSED, OPERATION_EXISTS and QUOTA_EXHAUSTED.
        """
        _, record = await self._start(request, caller, options or StartOptions(), target)
        self._readers.bind(record.id, bound=False)
        return operation(record)

    async def _start(
        self, request: v1.CompletionRequest, caller: str, options: StartOptions, target: Target | None
    ) -> Started:
        new = self._new(request, caller, options, target)
        work = Work.KEPT if self._runner.has_room else Work.OPEN
        async with self._quota.starting(caller, request.request_id):
            started = await self._store.start(new, work)
        if started.outcome is Start.REUSED:
            raise request_id_reused(request.request_id)
        if started.outcome is Start.EXISTS:
            raise exists(name_of(started.record.id))
        return started

    def _new(self, request: v1.CompletionRequest, caller: str, options: StartOptions, target: Target | None) -> New:
        target = target or self._engine.resolve(request.model, caller)
        fit_fields(request, target.model)
        chosen = options.operation_id
        return New(
            id=scoped(caller, chosen) if chosen else self._ids.make(),
            owner=caller,
            model=request.model,
            target=target.model.name,
            labels=dict(request.labels),
            request=request.SerializeToString(),
            max_attempts=self._max_attempts if options.max_attempts is None else options.max_attempts,
            ttl=None if options.ttl is None else round(options.ttl * 1000),
            priority=options.priority,
            request_id=request.request_id or None,
            request_hash=request_hash(request) if request.request_id else None,
            trace=options.trace,
            keep_request=options.keep_request,
            note=options.note,
        )

    async def attach(
        self, name: str, caller: str, after: int, until: float | None = None, *, idle: float | None = None
    ) -> AsyncIterator[bytes]:
        """The operation's events after number `after`, each as the bytes of a CompletionEvent; the last is `finished`.

        Then raises the operation's error, if it has one. Raises INVALID_FIELD for an `after` that no event has,
        DEADLINE at loop time `until` or after `idle` seconds without an event, and SHUTTING_DOWN once this server has
        given the operation back.
        """
        with self._readers.reading(caller, id_of(name, caller)):
            following = self._reader.events(caller, name, after, until, idle)
            async with aclosing(following) as events:  # type: ignore[type-var]
                async for event in events:
                    yield event

    async def result(self, name: str, caller: str, until: float | None = None) -> v1.Completion:
        """Waits for the operation's answer. Raises the operation's error, if it has one, and the errors of `attach`."""
        with self._readers.reading(caller, id_of(name, caller)):
            record = await self._reader.outcome(caller, name, until)
        if record.response is not None:
            return v1.Completion.FromString(record.response)
        raise StoredError(record.error) if record.error is not None else reading_over(name)

    @asynccontextmanager
    async def joined(
        self,
        request: v1.CompletionRequest,
        caller: str,
        target: Target | None = None,
        options: StartOptions | None = None,
    ) -> AsyncIterator[str]:
        """Starts the operation, or joins it, as `start` does; yields its name.

        With DISCONNECT_POLICY_CANCEL it is cancelled when its last reader in this process leaves.
        """
        starting = asyncio.ensure_future(self._start(request, caller, options or StartOptions(), target))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:  # its row is or will be stored, and must not run on for nobody
            starting.add_done_callback(partial(self._left_early, request, caller))
            raise
        operation_id = self._bound(request, starting.result())
        with self._readers.reading(caller, operation_id):
            yield name_of(operation_id)

    def _bound(self, request: v1.CompletionRequest, started: Started) -> str:
        operation_id = started.record.id
        if started.outcome is Start.CREATED or goes_on(request):
            self._readers.bind(operation_id, bound=not goes_on(request))
        return operation_id

    def _left_early(self, request: v1.CompletionRequest, caller: str, starting: asyncio.Future[Started]) -> None:
        if not starting.cancelled() and starting.exception() is None:
            with self._readers.reading(caller, self._bound(request, starting.result())):
                pass

    async def get(self, name: str, caller: str) -> operations_pb2.Operation:
        """The operation as it is now."""
        return operation(await self._find(name, caller))

    async def describe(self, name: str, caller: str) -> tuple[operations_pb2.Operation, str]:
        """The operation as it is now, and the note of the frontend that started it, see `StartOptions.note`."""
        record = await self._find(name, caller)
        return operation(record), record.note

    async def request(self, name: str, caller: str) -> v1.CompletionRequest:
        """The request of an operation that keeps it. Raises REQUEST_NOT_KEPT."""
        found = await self._store.request(caller, id_of(name, caller))
        if found is None:
            raise not_found(name)
        if not found:
            raise request_not_kept(name)
        return v1.CompletionRequest.FromString(found)

    async def list(
        self, caller: str, filter_text: str = "", page_size: int = 0, page_token: str = ""
    ) -> operations_pb2.ListOperationsResponse:
        """The caller's operations, newest first. `page_size` 0 is 50, more than 1,000 is 1,000.

        Raises INVALID_FIELD, and CREDENTIALS_MISSING for owners that are many people.
        """
        if caller in self._unlisted:
            raise no_listing()
        size = effective_page_size(page_size, limits.OPERATIONS_PAGE)
        condition = parse(filter_text)
        before = self._tokens.read(page_token, caller, filter_text)
        records, more = await self._store.page(PageRequest(caller, size, MOST_PAGE_BYTES, condition, before))
        return operations_pb2.ListOperationsResponse(
            operations=[operation(record) for record in records],
            next_page_token=self._tokens.make(caller, filter_text, records[-1]) if more else "",
        )

    async def wait(self, name: str, caller: str, timeout: float) -> operations_pb2.Operation:  # noqa: ASYNC109
        """The operation once it is done, or its state after `timeout` seconds, which is not an error.

        Raises SHUTTING_DOWN once this server has given the operation back.
        """
        until = asyncio.get_running_loop().time() + timeout
        return operation(await self._reader.outcome(caller, name, until))

    async def workers(self) -> Sequence[Worker]:
        """The processes that share the store; none if it is one of another package that does not keep them."""
        return await self._store.workers() if keeps_workers(self._store) else ()

    async def cancel(self, name: str, caller: str) -> None:
        """Stops it as soon as possible. An operation that is done stays as it is, which is not an error."""
        await self._cancel(caller, id_of(name, caller), name)

    async def _cancel(self, caller: str, operation_id: str, name: str = "") -> None:
        error = cancelled().status(operation_id).SerializeToString()
        cancellation = await self._store.cancel(caller, operation_id, error, self._ttl)
        if cancellation is None:
            raise not_found(name)
        if cancellation.ended is not None:
            self._runner.report_end(cancellation.ended)

    async def delete(self, name: str, caller: str) -> None:
        """Deletes the operation with its answer. One that runs is stopped."""
        if not await self._store.delete(caller, id_of(name, caller)):
            raise not_found(name)
        self._quota.deleted(caller)

    async def drain(self, grace: float) -> None:
        """Claims nothing more, and hands running operations back to other servers after `handback` seconds.

        Those that are bound to their readers have `grace` seconds, as live calls do. Call it before `Engine.stop`.
        Operations can still be started, and read: readers of what was handed back, and all readers of a process that
        runs no operations, follow it until `grace` is over.
        """
        end = asyncio.get_running_loop().time() + grace
        elsewhere = await self._runner.drain(grace, self._handback, self._readers.is_bound)
        await self._reader.leave(max(0, end - asyncio.get_running_loop().time()) if elsewhere else 0)

    async def _find(self, name: str, caller: str) -> Record:
        record = await self._store.get(caller, id_of(name, caller))
        if record is None:
            raise not_found(name)
        return record
