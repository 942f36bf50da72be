"""Operations as callers use them: start, attach, get, list, wait, cancel, delete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial

from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.engine.catalogue import Target
from dragoman_service.engine.engine import Engine
from dragoman_service.engine.fields import fit_fields
from dragoman_service.operations.idempotency import goes_on, request_hash
from dragoman_service.operations.listing import filter as filters
from dragoman_service.operations.listing.pages import PageTokens
from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.errors import (
    StoredError,
    cancelled,
    exists,
    not_found,
    reading_over,
    request_id_reused,
)
from dragoman_service.operations.model.ids import Ids, id_of, name_of, scoped
from dragoman_service.operations.model.intervals import Options
from dragoman_service.operations.model.records import New, Record
from dragoman_service.operations.readers import Readers
from dragoman_service.operations.reading import OperationReader
from dragoman_service.operations.sql import by_callers
from dragoman_service.operations.sql.by_callers import Start
from dragoman_service.operations.start_options import StartOptions
from dragoman_service.operations.store.store import OperationStore
from dragoman_service.operations.view import operation
from dragoman_service.operations.worker.runner import Runner
from dragoman_service.validation import limits
from dragoman_service.validation.rpcs import effective_page_size

MOST_PAGE_BYTES = 2 * 1024 * 1024  # gRPC clients take 4 MiB by default


class Operations:
    """Completions that are answered later. All methods raise CompletionError; OPERATIONS_UNAVAILABLE any of them.

    `caller` owns what it starts; another caller's operation is as if it did not exist: OPERATION_NOT_FOUND.
    """

    def __init__(
        self,
        ledger: OperationStore,
        runner: Runner,
        reader: OperationReader,
        engine: Engine,
        tokens: PageTokens,
        options: Options,
    ) -> None:
        self._store, self._runner, self._engine = ledger, runner, engine
        self._reader, self._tokens = reader, tokens
        self._max_attempts, self._ttl = options.max_attempts, round(options.ttl * 1000)
        self._readers = Readers(self._cancel)
        self._ids = Ids()

    async def start(
        self,
        request: v1.CompletionRequest,
        caller: str,
        options: StartOptions | None = None,
        target: Target | None = None,
    ) -> operations_pb2.Operation:
        """Stores the operation, QUEUED; or returns the one that the caller started before with the same `request_id`.

        `target` is the request's model, if it was resolved already. Raises the errors of `Engine.resolve`,
        UNSUPPORTED_FIELD, REQUEST_ID_REUSED and OPERATION_EXISTS.
        """
        _, record = await self._start(request, caller, options or StartOptions(), target)
        self._readers.bind(record.id, bound=False)
        return operation(record)

    async def _start(
        self, request: v1.CompletionRequest, caller: str, options: StartOptions, target: Target | None
    ) -> tuple[Start, Record]:
        new = self._new(request, caller, options, target)
        work = Work.KEPT if self._runner.has_room else Work.OPEN
        what, record = await self._store.write(by_callers.start, new, work)
        if what is Start.REUSED:
            raise request_id_reused(request.request_id)
        if what is Start.EXISTS:
            raise exists(name_of(record.id))
        return what, record

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
        )

    async def attach(self, name: str, caller: str, after: int, until: float | None = None) -> AsyncIterator[bytes]:
        """The operation's events after number `after`, as bytes of CompletionEvent, `finished` the last.

        Then the operation's error is raised, if it has one. Raises INVALID_FIELD for an `after` that no event has,
        DEADLINE at loop time `until`, SHUTTING_DOWN where it was given back for other servers.
        """
        with self._readers.reading(caller, id_of(name, caller)):
            async with aclosing(self._reader.events(caller, name, after, until)) as events:  # type: ignore[type-var]
                async for event in events:
                    yield event

    async def result(self, name: str, caller: str, until: float | None = None) -> v1.Completion:
        """The operation's answer, when it is there. Its error is raised, if it has one, and what `attach` raises."""
        with self._readers.reading(caller, id_of(name, caller)):
            record = await self._reader.outcome(caller, name, until)
        if record.response is not None:
            return v1.Completion.FromString(record.response)
        raise StoredError(record.error) if record.error is not None else reading_over(name)

    @asynccontextmanager
    async def joined(
        self, request: v1.CompletionRequest, caller: str, target: Target | None = None
    ) -> AsyncIterator[str]:
        """Starts the operation, or joins it, as `start` does; its name.

        One that shall not go on without its caller is stopped when its last reader in this process leaves.
        """
        starting = asyncio.ensure_future(self._start(request, caller, StartOptions(), target))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:  # what is stored now, or will be, must not be forgotten
            starting.add_done_callback(partial(self._left_early, request, caller))
            raise
        operation_id = self._bound(request, *starting.result())
        with self._readers.reading(caller, operation_id):
            yield name_of(operation_id)

    def _bound(self, request: v1.CompletionRequest, what: Start, record: Record) -> str:
        if what is Start.CREATED or goes_on(request):
            self._readers.bind(record.id, bound=not goes_on(request))
        return record.id

    def _left_early(
        self, request: v1.CompletionRequest, caller: str, starting: asyncio.Future[tuple[Start, Record]]
    ) -> None:
        if not starting.cancelled() and starting.exception() is None:
            with self._readers.reading(caller, self._bound(request, *starting.result())):
                pass

    async def get(self, name: str, caller: str) -> operations_pb2.Operation:
        """The operation as it is now."""
        return operation(await self._find(name, caller))

    async def list(
        self, caller: str, filter_text: str = "", page_size: int = 0, page_token: str = ""
    ) -> operations_pb2.ListOperationsResponse:
        """The caller's operations, newest first. `page_size` 0 is 50, more than 1,000 is 1,000.

        Raises INVALID_FIELD.
        """
        size = effective_page_size(page_size, limits.OPERATIONS_PAGE)
        where = filters.parse(filter_text)
        before = self._tokens.read(page_token, caller, filter_text)
        records, more = await self._store.read(by_callers.page, caller, where, before, size, MOST_PAGE_BYTES)
        return operations_pb2.ListOperationsResponse(
            operations=[operation(record) for record in records],
            next_page_token=self._tokens.make(caller, filter_text, records[-1]) if more else "",
        )

    async def wait(self, name: str, caller: str, timeout: float) -> operations_pb2.Operation:  # noqa: ASYNC109
        """The operation once it is done, or as it is after `timeout` seconds, which is no error.

        Raises SHUTTING_DOWN where it was given back for other servers.
        """
        until = asyncio.get_running_loop().time() + timeout
        return operation(await self._reader.outcome(caller, name, until))

    async def cancel(self, name: str, caller: str) -> None:
        """Stops it as soon as may be. An operation that is done stays as it is, without an error."""
        await self._cancel(caller, id_of(name, caller), name)

    async def _cancel(self, caller: str, operation_id: str, name: str = "") -> None:
        error = cancelled().status(operation_id).SerializeToString()
        outcome = await self._store.write(by_callers.cancel, caller, operation_id, error, self._ttl)
        if outcome is None:
            raise not_found(name)
        _, ended = outcome
        if ended is not None:
            self._runner.ended(ended)

    async def delete(self, name: str, caller: str) -> None:
        """Forgets it, its answer included. One that runs is stopped."""
        if not await self._store.write(by_callers.forget, caller, id_of(name, caller)):
            raise not_found(name)

    async def drain(self, grace: float) -> None:
        """Begins nothing new, gives what runs `grace` seconds, then puts the rest back for other servers.

        Call it before `Engine.stop`. What is stored already can still be read, and new operations stored.
        """
        await self._runner.drain(grace)
        self._reader.leave()

    async def _find(self, name: str, caller: str) -> Record:
        record = await self._store.read(by_callers.get, caller, id_of(name, caller))
        if record is None:
            raise not_found(name)
        return record
