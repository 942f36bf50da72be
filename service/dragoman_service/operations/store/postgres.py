"""The ledger in PostgreSQL, for any number of processes and machines.

One connection writes, and what comes while it is at it goes into its next transaction together; a few connections read;
one more listens to what others have done.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

import asyncpg
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.changes import Changes, OnChange
from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.notify.postgres import CHANNEL, MOST_BYTES, Connect, PostgresListener, listening
from dragoman_service.operations.sql.connection_health import Health, reason_of
from dragoman_service.operations.sql.migrate import migrate
from dragoman_service.operations.store.group_commit import Committed, Failed, GroupCommit, Run, in_all, run_all
from dragoman_service.operations.store.store import is_one_select

P = ParamSpec("P")
T = TypeVar("T")

READERS = 4  # connections
CONNECT_SECONDS, STATEMENT_SECONDS, TRANSACTION_SECONDS = 5.0, 10.0, 20.0
TRIES = 5  # of a transaction that met another one
_MIGRATING = 0x64_72_61_67_01  # the number of a lock
_TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
_MET_ANOTHER = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_NOBODYS_FAULT = ("08", "25", "53", "57", "58")  # no connection, read-only, no resources, being shut down, system error

# A process that is frozen within a transaction must not keep others from what it has locked.
_SESSION = {
    "application_name": "dragoman",
    "idle_in_transaction_session_timeout": "5s",
    "jit": "off",
    "statement_timeout": f"{STATEMENT_SECONDS:.0f}s",
}
_READ_ONLY = {"default_transaction_read_only": "on"}


class PostgresDatabase:
    """A `OperationStore`, see there."""

    def __init__(
        self, reader: AsyncEngine, writer: AsyncEngine, tag: str, committed: Callable[[Changes], None]
    ) -> None:
        self._reader, self._writer, self._tag = reader, writer, tag
        self._at_once = reader.execution_options(isolation_level="AUTOCOMMIT")
        self._group = GroupCommit(self._commit, committed)
        self._health = Health(*_TROUBLE)
        self._reads: set[asyncio.Task[Any]] = set()

    async def read(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        engine = self._at_once if is_one_select(statement) else self._reader

        async def run() -> T:
            async with asyncio.timeout(TRANSACTION_SECONDS), engine.connect() as connection:
                return await connection.run_sync(statement, *args, **kwargs)

        with self._health.watched(writing=False):
            return await self._to_its_end(run())

    async def write(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run(connection: Connection) -> T:
            return statement(connection, *args, **kwargs)

        with self._health.watched(writing=True):
            return await self._group.submit(run)

    async def migrate(self) -> None:
        """Brings the tables up to date, while others who want to do so wait."""

        def locked(connection: Connection) -> None:
            connection.execute(select(func.set_config("statement_timeout", "0", True)))
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
            migrate(connection)

        with self._health.watched(writing=True):
            async with self._writer.begin() as connection:
                await connection.run_sync(locked)

    async def close(self) -> None:
        """Waits for what is being written or read."""
        await self._group.close()
        await asyncio.gather(*self._reads, return_exceptions=True)

    async def _to_its_end(self, read: Coroutine[Any, Any, T]) -> T:
        """Goes on though the caller leaves: a statement that is broken off would take its connection with it."""
        task = asyncio.create_task(read)
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _commit(self, runs: Sequence[Run]) -> Committed:
        """The results of all. If one of them is at fault, each runs again on its own, so that it harms no other."""
        try:
            return await self._transaction(runs)
        except Exception as error:
            if len(runs) == 1 or _is_nobodys_fault(error):
                raise
        return in_all([await self._commit_alone(run) for run in runs])

    async def _commit_alone(self, run: Run) -> Committed:
        try:
            return await self._transaction([run])
        except Exception as error:  # noqa: BLE001 - it is the caller's, who waits for it in another task
            return Committed([Failed(error)], Changes())

    async def _transaction(self, runs: Sequence[Run]) -> Committed:
        for left in reversed(range(TRIES)):
            attempt = _Attempt(self._writer, self._tag)
            try:
                async with asyncio.timeout(TRANSACTION_SECONDS):
                    return await attempt.run(runs)
            except DBAPIError as error:
                if not left or not attempt.may_be_repeated(error):
                    raise
        raise AssertionError  # the last try has returned or raised


class _Attempt:
    """One try at a transaction."""

    def __init__(self, engine: AsyncEngine, tag: str) -> None:
        self._engine, self._tag = engine, tag
        self._connected = self._committing = False

    async def run(self, runs: Sequence[Run]) -> Committed:
        async with self._engine.connect() as connection:
            self._connected = True
            done = await connection.run_sync(self._run_all, runs)
            self._committing = True
            await connection.commit()
            return done

    def _run_all(self, connection: Connection, runs: Sequence[Run]) -> Committed:
        done = run_all(connection, runs)
        for message in done.news.messages(MOST_BYTES - len(self._tag)):
            connection.execute(select(func.pg_notify(CHANNEL, f"{self._tag} {message}")))
        return done

    def may_be_repeated(self, error: DBAPIError) -> bool:
        """It met another transaction; or its connection, which had lain idle, turned out to be lost before the end."""
        if _state_of(error) in _MET_ANOTHER:
            return True
        return self._connected and not self._committing and error.connection_invalidated


def _is_nobodys_fault(error: Exception) -> bool:
    """No function of the group has caused it, and in no other order would it go better."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _state_of(error).startswith(_NOBODYS_FAULT)
    return isinstance(error, _TROUBLE)


def _state_of(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


@asynccontextmanager
async def open_postgres(url: str, on_change: OnChange) -> AsyncIterator[PostgresDatabase]:
    """The ledger in the database at `url` (as libpq takes it), whose tables are made or brought up to date first.

    Raises OperationStoreError.
    """
    connect, tag = _connector(url, _SESSION), secrets.token_hex(4)
    writer = _engine(connect, 1)
    reader = _engine(_connector(url, _SESSION | _READ_ONLY), READERS, isolation_level="REPEATABLE READ")
    ledger = PostgresDatabase(reader, writer, tag, lambda news: news.tell(on_change, own=True))
    try:
        try:
            await ledger.migrate()
        except CompletionError as error:
            raise OperationStoreError(f"the database cannot be used: {reason_of(error.__cause__ or error)}") from error
        async with listening(PostgresListener(connect, tag, on_change)):
            yield ledger
    finally:
        await ledger.close()
        await reader.dispose()
        await writer.dispose()


def _engine(connect: Connect, connections: int, **options: Any) -> AsyncEngine:
    pool = {"pool_size": connections, "max_overflow": 0, "pool_timeout": CONNECT_SECONDS}
    return create_async_engine("postgresql+asyncpg://", async_creator=connect, **pool, **options)


def _connector(url: str, session: Mapping[str, str]) -> Connect:
    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        try:
            return await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=dict(session))
        except (ValueError, asyncpg.ClientConfigurationError):
            # Not a word of what the driver says: it may quote the URL, and that holds a password.
            raise OperationStoreError("should be as in postgresql://USER:PASSWORD@HOST:5432/DATABASE") from None

    return connect
