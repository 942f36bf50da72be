"""Runs statements in PostgreSQL: one connection writes, in group commits; a few connections read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, QueuePool, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.changes import Changes, Mark
from dragoman_service.operations.notify.postgres import CHANNEL, END_FROZEN, MOST_BYTES
from dragoman_service.operations.sql import by_workers
from dragoman_service.operations.sql.connection_health import Health
from dragoman_service.operations.sql.migrate import Migration, migrate
from dragoman_service.operations.sql.transaction import Dialect, Transaction
from dragoman_service.operations.store.group_commit import Committed, Failed, GroupCommit, Run, in_all, run_all
from dragoman_service.operations.store.postgres.connections import TROUBLE
from dragoman_service.operations.store.postgres.gate import Gate

P = ParamSpec("P")
T = TypeVar("T")

READERS = 4  # connections
TRANSACTION_SECONDS = 20.0
CLOSE_SECONDS = 1.0  # for the transactions that are under way at the end
TRIES = 5  # of a transaction that conflicts with another one
_MIGRATING, _CLAIMING = 0x64_72_61_67_01, 0x64_72_61_67_02  # the numbers of locks
_DIALECT = Dialect(insert, select(func.pg_advisory_xact_lock(_CLAIMING)))
_CONFLICTS = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_SHARED_FAULTS = ("08", "25", "53", "57", "58")  # no connection, read-only, no resources, shutting down, system error

# The server went away, or is not the primary any more, or has lost what this session had: another connection may help.
_LOST = ("08", "25006", "26", "57P", "58", "XX")


class PostgresDatabase:
    """A `Database`, see there."""

    def __init__(
        self,
        reader: AsyncEngine,
        writer: AsyncEngine,
        tag: str,
        committed: Callable[[Changes], None],
        local: Mapping[str, str] | None = None,
        gate: Gate | None = None,
    ) -> None:
        """`local`: settings of each transaction, for connections through a pooler, which cannot have their own.

        `gate` is where the connections came through.
        """
        self._reader, self._writer, self._tag, self._local = reader, writer, tag, local
        self._gate = gate or Gate()
        # A pooler may run the two steps of a statement in two sessions unless they are in one transaction.
        self._at_once = reader if local else reader.execution_options(isolation_level="AUTOCOMMIT")
        self._group = GroupCommit(self._commit, committed)
        self._health = Health(*TROUBLE, store="postgresql")
        self._reads: set[asyncio.Task[Any]] = set()

    async def select(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._read(self._at_once, lambda connection: statement(connection, *args, **kwargs))

    async def read(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._read(self._reader, lambda connection: statement(connection, *args, **kwargs))

    async def write(self, statement: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run(transaction: Transaction) -> T:
            return statement(transaction, *args, **kwargs)

        with self._health.watched(writing=True):
            return await self._group.submit(run)

    async def migrate(self, engine: AsyncEngine | None = None, *, allowed: bool) -> Migration:
        """Creates or upgrades the tables, if `allowed`, while other processes that want to do so wait.

        `engine` connects to the same database; None: as for writes.
        """

        def locked(connection: Connection) -> Migration:
            connection.execute(select(func.set_config("statement_timeout", "0", True)))
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
            return migrate(connection, allowed=allowed)

        with self._health.watched(writing=True):
            async with (engine or self._writer).begin() as connection:
                return await connection.run_sync(locked)

    async def marks(self, ids: Collection[str]) -> Mapping[str, Mark]:
        """The marks of those operations that exist."""
        return await self.select(by_workers.marks, ids)

    async def notify(self, message: str) -> bool:
        """Sends a message to all who listen. False: the database cannot be written now."""
        with suppress(CompletionError):
            await self.write(lambda transaction: transaction.execute(select(func.pg_notify(CHANNEL, message))))
            return True
        return False

    async def end_frozen(self, seconds: float) -> None:
        """Ends the sessions of processes that have stood still for `seconds` in the middle of a statement."""
        await self.select(lambda connection: connection.execute(text(END_FROZEN), {"seconds": seconds}))

    @property
    def reconnects(self) -> int:
        """Attempts to connect that followed a failed one."""
        return self._gate.repeated

    def connections(self) -> Mapping[str, int]:
        """See `Connected`. The connection that listens is not counted, because it is none of a pool."""
        pools = [engine.pool for engine in (self._reader, self._writer) if isinstance(engine.pool, QueuePool)]
        return {"used": sum(one.checkedout() for one in pools), "idle": sum(one.checkedin() for one in pools)}

    async def close(self) -> None:
        """Waits for the transactions that are under way, but no longer than a server that answers takes."""
        closing = {asyncio.ensure_future(self._group.close()), *self._reads}
        disposing = (self._reader.dispose(), self._writer.dispose())
        _, left = await asyncio.wait(closing, timeout=CLOSE_SECONDS)
        # Whatever is still left is not waited for, because its end would wait for the server again.
        _, open_still = await asyncio.wait(map(asyncio.ensure_future, disposing), timeout=CLOSE_SECONDS)
        for task in left | open_still:
            task.cancel()

    async def _read(self, engine: AsyncEngine, statement: Callable[[Connection], T]) -> T:
        with self._health.watched(writing=False):
            return await self._to_its_end(self._read_once_connected(engine, statement))

    async def _read_once_connected(self, engine: AsyncEngine, statement: Callable[[Connection], T]) -> T:
        """Reads again if the connection was lost: all those that were idle meanwhile may be."""
        async with asyncio.timeout(TRANSACTION_SECONDS):
            for left in reversed(range(READERS + 1)):
                try:
                    async with _connected(engine) as connection:
                        return await connection.run_sync(statement)
                except DBAPIError as error:
                    if not left or not (error.connection_invalidated or _is_lost(error)):
                        raise
        raise AssertionError  # the last attempt has returned or raised

    async def _to_its_end(self, read: Coroutine[Any, Any, T]) -> T:
        """Goes on if the caller leaves, because a statement that is broken off takes its connection with it."""
        task = asyncio.create_task(read)
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _commit(self, runs: Sequence[Run]) -> Committed:
        """The outcomes of all. If one fails, each runs again in a transaction of its own, so that it harms no other."""
        try:
            return await self._transaction(runs)
        except Exception as error:
            if len(runs) == 1 or _is_shared_fault(error):
                raise
        return in_all([await self._commit_alone(run) for run in runs])

    async def _commit_alone(self, run: Run) -> Committed:
        try:
            return await self._transaction([run])
        except Exception as error:  # noqa: BLE001 - the caller, who waits in another task, handles it
            return Committed([Failed(error)], Changes())

    async def _transaction(self, runs: Sequence[Run]) -> Committed:
        for left in reversed(range(TRIES)):
            attempt = _Attempt(self._writer, self._tag, self._local or {})
            try:
                async with asyncio.timeout(TRANSACTION_SECONDS):
                    return await attempt.run(runs)
            except DBAPIError as error:
                if _is_lost(error):
                    await self._reader.dispose()  # connections to a former primary read what is outdated
                if not left or not attempt.may_be_repeated(error):
                    raise
        raise AssertionError  # the last attempt has returned or raised


class _Attempt:
    """One attempt at a transaction."""

    def __init__(self, engine: AsyncEngine, tag: str, local: Mapping[str, str]) -> None:
        self._engine, self._tag, self._local = engine, tag, local
        self._connected = self._committing = False

    async def run(self, runs: Sequence[Run]) -> Committed:
        async with _connected(self._engine) as connection:
            self._connected = True
            done = await connection.run_sync(self._run_all, runs)
            self._committing = True
            await connection.commit()
            return done

    def _run_all(self, connection: Connection, runs: Sequence[Run]) -> Committed:
        for name, value in self._local.items():
            connection.execute(select(func.set_config(name, value, True)))
        done = run_all(Transaction(connection, _DIALECT), runs)
        for message in done.changes.messages(MOST_BYTES - len(self._tag)):
            connection.execute(select(func.pg_notify(CHANNEL, f"{self._tag} {message}")))
        return done

    def may_be_repeated(self, error: DBAPIError) -> bool:
        """It conflicts with another transaction, or its idle connection turned out to be lost before the commit."""
        if _state_of(error) in _CONFLICTS:
            return True
        return self._connected and not self._committing and (error.connection_invalidated or _is_lost(error))


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection of the pool, which is not used again if it was lost or leads to a server that takes no writes."""
    async with engine.connect() as connection:
        try:
            yield connection
        except DBAPIError as error:
            if _is_lost(error) and not connection.invalidated:
                await connection.invalidate()
            raise


def _is_lost(error: DBAPIError) -> bool:
    return _state_of(error).startswith(_LOST)


def _is_shared_fault(error: Exception) -> bool:
    """No single statement has caused it, so to try one by one would not help."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _state_of(error).startswith(_SHARED_FAULTS)
    return isinstance(error, TROUBLE)


def _state_of(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")
