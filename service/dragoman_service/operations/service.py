"""Operations as callers use them: start, get, list, wait, cancel, delete."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.engine import Engine, shutting_down
from dragoman_service.operations import filter as filters
from dragoman_service.operations import statements
from dragoman_service.operations.failures import cancelled, not_found
from dragoman_service.operations.ids import Ids
from dragoman_service.operations.ledger import Ledger
from dragoman_service.operations.pace import Options, Pace
from dragoman_service.operations.paging import PageTokens
from dragoman_service.operations.records import New, Record
from dragoman_service.operations.repeat import jittered
from dragoman_service.operations.runner import Runner
from dragoman_service.operations.status import PREFIX, operation
from dragoman_service.operations.wakeups import Wakeups

DEFAULT_PAGE = 50
LARGEST_PAGE = 1000
MOST_PAGE_BYTES = 2 * 1024 * 1024  # gRPC clients take 4 MiB by default


class Operations:
    """Completions that are answered later. All methods raise CompletionError; OPERATIONS_UNAVAILABLE any of them.

    `caller` owns what it starts; another caller's operation is as if it did not exist: OPERATION_NOT_FOUND.
    """

    def __init__(
        self,
        ledger: Ledger,
        runner: Runner,
        engine: Engine,
        wakeups: Wakeups,
        tokens: PageTokens,
        options: Options,
        pace: Pace,
    ) -> None:
        self._ledger, self._runner, self._engine = ledger, runner, engine
        self._wakeups, self._tokens = wakeups, tokens
        self._max_attempts, self._ttl, self._pause = options.max_attempts, round(options.ttl * 1000), pace.wait
        self._ids = Ids()
        self._drained = False

    async def start(self, request: v1.CompletionRequest, caller: str) -> operations_pb2.Operation:
        """Stores the operation, QUEUED. Raises what `Engine.check` does."""
        self._engine.check(request, caller)
        new = New(
            id=self._ids.make(),
            owner=caller,
            model=request.model,
            labels=dict(request.labels),
            request=request.SerializeToString(),
            max_attempts=self._max_attempts,
        )
        record = await self._ledger.write(statements.start, new)
        self._runner.ring()
        return operation(record)

    async def get(self, name: str, caller: str) -> operations_pb2.Operation:
        """The operation as it is now."""
        return operation(await self._find(name, caller))

    async def list(
        self, caller: str, filter_text: str = "", page_size: int = 0, page_token: str = ""
    ) -> operations_pb2.ListOperationsResponse:
        """The caller's operations, newest first. `page_size` 0 is 50, more than 1,000 is 1,000.

        Raises INVALID_FIELD.
        """
        if page_size < 0:
            raise invalid(FieldViolation("page_size", "from 0 (the default) to 1,000"))
        where = filters.parse(filter_text)
        before = self._tokens.read(page_token, caller, filter_text)
        size = min(page_size or DEFAULT_PAGE, LARGEST_PAGE)
        records, more = await self._ledger.read(statements.page, caller, where, before, size, MOST_PAGE_BYTES)
        return operations_pb2.ListOperationsResponse(
            operations=[operation(record) for record in records],
            next_page_token=self._tokens.make(caller, filter_text, records[-1].id) if more else "",
        )

    async def wait(self, name: str, caller: str, timeout: float) -> operations_pb2.Operation:  # noqa: ASYNC109
        """The operation once it is done, or as it is after `timeout` seconds, which is no error.

        Raises SHUTTING_DOWN where it was given back for other servers.
        """
        end = asyncio.get_running_loop().time() + timeout
        with self._wakeups.watch(_id_of(name)) as changed:
            while True:
                changed.clear()
                record = await self._find(name, caller)
                left = end - asyncio.get_running_loop().time()
                if record.done or left <= 0:
                    return operation(record)
                if self._drained:
                    raise shutting_down()
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, jittered(self._pause))):
                        await changed.wait()

    async def cancel(self, name: str, caller: str) -> None:
        """Stops it as soon as may be. An operation that is done stays as it is, without an error."""
        error = cancelled().status(_id_of(name)).SerializeToString()
        outcome = await self._ledger.write(statements.cancel, caller, _id_of(name), error, self._ttl)
        if outcome is None:
            raise not_found(name)
        what, ended = outcome
        if ended is not None:
            self._runner.ended(ended)
        elif what is statements.Cancelled.ASKED:
            self._runner.cancel(_id_of(name))

    async def delete(self, name: str, caller: str) -> None:
        """Forgets it, its answer included. One that runs is stopped."""
        if not await self._ledger.write(statements.forget, caller, _id_of(name)):
            raise not_found(name)
        self._runner.lose(_id_of(name))
        self._wakeups.wake(_id_of(name))

    async def drain(self, grace: float) -> None:
        """Begins nothing new, gives what runs `grace` seconds, then puts the rest back for other servers.

        Call it before `Engine.stop`. What is stored already can still be read, and new operations stored.
        """
        await self._runner.drain(grace)
        self._drained = True
        self._wakeups.wake_all()

    async def _find(self, name: str, caller: str) -> Record:
        record = await self._ledger.read(statements.get, caller, _id_of(name))
        if record is None:
            raise not_found(name)
        return record


def _id_of(name: str) -> str:
    """The id in `operations/ID`; what is no such name has an id that nothing has."""
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else ""
