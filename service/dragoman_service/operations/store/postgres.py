"""Operations in PostgreSQL, for any number of processes and machines.

One connection writes, in group commits; a few connections read; one more listens to other processes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

import asyncpg
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.changes import Changes
from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.notify.postgres import CHANNEL, MOST_BYTES, Connect, PostgresListener, listening
from dragoman_service.operations.sql.connection_health import Health, reason_of
from dragoman_service.operations.sql.migrate import Migration, load_alembic, migrate
from dragoman_service.operations.sql.transaction import Dialect, Transaction
from dragoman_service.operations.store.group_commit import Committed, Failed, GroupCommit, Run, in_all, run_all
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.libpq_url import SHAPE, DatabaseAddress, read_url
from dragoman_service.operations.store.relational import SqlStore

P = ParamSpec("P")
T = TypeVar("T")

READERS = 4  # connections
CONNECT_SECONDS, STATEMENT_SECONDS, TRANSACTION_SECONDS = 5.0, 10.0, 20.0
CLOSE_SECONDS = 1.0  # for the transactions that are under way at the end
TRIES = 5  # of a transaction that conflicts with another one
_MIGRATING, _CLAIMING = 0x64_72_61_67_01, 0x64_72_61_67_02  # the numbers of locks
_DIALECT = Dialect(insert, select(func.pg_advisory_xact_lock(_CLAIMING)))
_TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
_CONFLICTS = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_SHARED_FAULTS = ("08", "25", "53", "57", "58")  # no connection, read-only, no resources, shutting down, system error

# The server went away, or is not the primary any more, or has lost what this session had: another connection may help.
_LOST = ("08", "25006", "26", "57P", "58", "XX")

_SESSION = {"application_name": "dragoman", "jit": "off", "statement_timeout": f"{STATEMENT_SECONDS:.0f}s"}
_READ_ONLY = {"default_transaction_read_only": "on"}


class PostgresDatabase:
    """A `Database`, see there."""

    def __init__(
        self,
        reader: AsyncEngine,
        writer: AsyncEngine,
        tag: str,
        committed: Callable[[Changes], None],
        local: Mapping[str, str] | None = None,
    ) -> None:
        """`local`: settings of each transaction, for connections through a pooler, which cannot have their own."""
        self._reader, self._writer, self._tag, self._local = reader, writer, tag, local
        # A pooler may run the two steps of a statement in two sessions unless they are in one transaction.
        self._at_once = reader if local else reader.execution_options(isolation_level="AUTOCOMMIT")
        self._group = GroupCommit(self._commit, committed)
        self._health = Health(*_TROUBLE, store="postgresql")
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

    async def migrate(self, *, allowed: bool) -> Migration:
        """Creates or upgrades the tables, if `allowed`, while other processes that want to do so wait."""

        def locked(connection: Connection) -> Migration:
            connection.execute(select(func.set_config("statement_timeout", "0", True)))
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
            return migrate(connection, allowed=allowed)

        with self._health.watched(writing=True):
            async with self._writer.begin() as connection:
                return await connection.run_sync(locked)

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
    return isinstance(error, _TROUBLE)


def _state_of(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


@asynccontextmanager
async def open_postgres(
    url: str, context: StoreContext, *, probe: float = 3.0, frozen: float = 5.0
) -> AsyncIterator[SqlStore]:
    """The store in the database at `url`, see `read_url`. Raises OperationStoreError.

    A process that stands still within a transaction loses it after `frozen` seconds, so that others can use the rows
    that it has locked. Every `probe` seconds the listening connection is checked, and such processes are looked for.
    """
    address = read_url(url, CONNECT_SECONDS)
    session = {**_SESSION, "idle_in_transaction_session_timeout": f"{frozen * 1000:.0f}ms", **address.settings}
    pooled, tag = await _is_pooled(address, session), secrets.token_hex(4)
    own = {"application_name": session["application_name"]} if pooled else session
    connect = _connector(address, own, pooled=pooled)
    read = _connector(address, own if pooled else own | _READ_ONLY, pooled=pooled)
    writer = _engine(connect, 1, pooled=pooled)
    reader = _engine(read, READERS, pooled=pooled, isolation_level="REPEATABLE READ")
    database = PostgresDatabase(
        reader,
        writer,
        tag,
        lambda changes: changes.notify(context.on_change, own=True),
        local={"idle_in_transaction_session_timeout": f"{frozen * 1000:.0f}ms"} if pooled else None,
    )
    try:
        load_alembic()
        try:
            migration = await database.migrate(allowed=context.migrate)
        except CompletionError as error:
            reason = reason_of(error.__cause__ or error)
            raise OperationStoreError(f"the database cannot be used: {reason}") from error
        async with listening(PostgresListener(connect, tag, context.on_change, probe=probe, frozen=frozen)):
            yield SqlStore(database, migration)
    finally:
        await database.close()


async def _is_pooled(address: DatabaseAddress, session: Mapping[str, str]) -> bool:
    """Whether a pooler such as PgBouncer answers. It refuses settings of the session, or is not the server itself.

    False if nobody answers: what follows reports that.
    """
    try:
        connection = await _connector(address, session)()
        try:
            async with connection.transaction():
                return bool(connection.get_server_pid() != await connection.fetchval("SELECT pg_backend_pid()"))
        finally:
            connection.terminate()
    except asyncpg.PostgresError as error:
        return "unsupported startup parameter" in str(error)
    except (OSError, TimeoutError, asyncpg.InterfaceError):
        return False


def _engine(connect: Connect, connections: int, *, pooled: bool, **options: Any) -> AsyncEngine:
    async def create(**_: object) -> asyncpg.Connection[asyncpg.Record]:
        return await connect()

    arguments: dict[str, Any] = {"async_creator_fn": create}
    if pooled:  # statements without a name, prepared for each use: those of others lie in the same sessions
        arguments |= {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
    pool = {"pool_size": connections, "max_overflow": 0, "pool_timeout": CONNECT_SECONDS}
    return create_async_engine("postgresql+asyncpg://", connect_args=arguments, **pool, **options)


def _connector(address: DatabaseAddress, session: Mapping[str, str], *, pooled: bool = False) -> Connect:
    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        try:
            return await asyncpg.connect(
                address.url,
                timeout=address.connect_seconds,
                server_settings=dict(session),
                statement_cache_size=0 if pooled else 100,
                target_session_attrs="primary",
            )
        except asyncpg.TargetServerAttributeNotMatched:
            raise ConnectionRefusedError("the server is a standby, which takes no writes") from None
        except (ValueError, asyncpg.ClientConfigurationError):
            # Without the driver's message, which may quote the URL and so its password.
            raise OperationStoreError(SHAPE) from None

    return connect
