"""Operations in one SQLite file, for the processes of one machine.

One thread writes, in group commits; a few threads read. A statement runs as a whole in its thread, because a hop to a
thread costs more than a statement does.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError

from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.changes import Changes
from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.notify.unix import open_notifier
from dragoman_service.operations.sql import by_callers, retention
from dragoman_service.operations.sql.connection_health import Health, reason_of
from dragoman_service.operations.sql.migrate import Migration, migrate
from dragoman_service.operations.sql.transaction import Dialect, Transaction
from dragoman_service.operations.store.group_commit import Committed, Failed, GroupCommit, Run, in_all, run_all
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.relational import SqlStore
from dragoman_service.operations.store.single_file import LostFileError, Reserve, SingleFile, is_full

P = ParamSpec("P")
T = TypeVar("T")

READERS = 4  # threads
BUSY_SECONDS = 5.0  # wait for a file that another process has locked; `?timeout=` in the URL overrides it

_DIALECT = Dialect(insert)
_FREEING: tuple[object, ...] = (by_callers.forget, by_callers.cancel, retention.sweep)  # statements that free space


class SqliteDatabase:
    """A `Database`, see there."""

    def __init__(self, file: SingleFile, reader: Engine, writer: Engine, committed: Callable[[Changes], None]) -> None:
        self._file, self._reader, self._writer = file, reader, writer
        self._reserve = Reserve(Path(f"{file.path}.reserve"))
        self._freeing: set[Run] = set()
        self._readers = ThreadPoolExecutor(READERS, "operations-reader")
        self._thread = ThreadPoolExecutor(1, "operations-writer")
        self._group = GroupCommit(self._commit, committed)
        self._health = Health(LostFileError, store=str(file.path))

    async def select(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.read(statement, *args, **kwargs)

    async def read(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            self._file.check()
            with self._reader.connect() as connection:
                return statement(connection, *args, **kwargs)

        with self._health.watched(writing=False):
            return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    async def write(self, statement: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run(transaction: Transaction) -> T:
            return statement(transaction, *args, **kwargs)

        if not self._health.readable:  # nobody could find again what is written now
            await self.read(by_callers.count_states)
        if statement in _FREEING:
            self._freeing.add(run)
        try:
            with self._health.watched(writing=True):
                return await self._group.submit(run)
        finally:
            self._freeing.discard(run)

    def _commit(self, runs: Sequence[Run]) -> asyncio.Future[Committed]:
        return asyncio.get_running_loop().run_in_executor(self._thread, self._commit_to_file, runs)

    def _commit_to_file(self, runs: Sequence[Run]) -> Committed:
        # Checked again afterwards, because a commit into a file that nobody will find again must not be confirmed.
        self._file.check()
        try:
            done = _commit(self._writer, runs)
            self._reserve.keep()
        except OperationalError as error:
            freeing = [run for run in runs if run in self._freeing]
            if not freeing or error.orig is None or not is_full(error.orig):
                raise
            done = self._free_space(runs, error)
        self._file.check()
        return done

    def _free_space(self, runs: Sequence[Run], error: Exception) -> Committed:
        """Runs what frees space on a full disk, in the room of the reserve. The others fail with `error`."""
        self._reserve.release()
        _checkpoint(self._writer, "TRUNCATE")
        full = Committed([Failed(error)], Changes())
        return in_all([_commit_alone(self._writer, run) if run in self._freeing else full for run in runs])

    async def close(self) -> None:
        """Waits for the transaction that is under way."""
        await self._group.close()
        self._thread.shutdown()
        self._readers.shutdown()


@asynccontextmanager
async def open_sqlite(url: str, context: StoreContext) -> AsyncIterator[SqlStore]:
    """The store in the file of `url`, `sqlite:///FILE`, relative to the data directory.

    Beside the file lies a folder for the processes that have it open, see `UnixNotifier`. Raises OperationStoreError.
    """
    place = _place(url, context.data_dir)
    file = await asyncio.to_thread(_inspected, Path(place.database or ""), _timeout(place))
    reader, writer = _engine(place, "BEGIN", "PRAGMA query_only = ON"), _engine(place, "BEGIN IMMEDIATE")
    notifier = open_notifier(Path(f"{place.database}.bells"), context.on_change)

    def committed(changes: Changes) -> None:
        changes.notify(context.on_change, own=True)
        if notifier is not None:
            notifier.send(changes)

    database = SqliteDatabase(file, reader, writer, committed)
    try:
        try:
            migration = await database.write(_migrated, context.migrate)
        except CompletionError as error:
            reason = reason_of(error.__cause__ or error)
            raise OperationStoreError(f"{place.database} cannot be used: {reason}") from error
        await asyncio.to_thread(_checkpoint, writer)  # so that the file has its present header, which `watch` remembers
        file.watch()
        yield SqlStore(database, migration)
    finally:
        await database.close()
        if notifier is not None:
            notifier.close()
        reader.dispose()
        writer.dispose()
        file.close()


def _migrated(transaction: Transaction, allowed: bool) -> Migration:
    return migrate(transaction.connection, allowed=allowed)


def _checkpoint(engine: Engine, mode: str = "PASSIVE") -> None:
    """Moves what is in the log into the file, as far as nobody reads it. `TRUNCATE` also empties the log."""
    with closing(engine.raw_connection()) as connection, suppress(sqlite3.OperationalError):
        connection.cursor().execute(f"PRAGMA wal_checkpoint({mode})")


def _commit(engine: Engine, runs: Sequence[Run]) -> Committed:
    """The outcomes of all. If one fails, each runs again in a transaction of its own, so that it harms no other."""
    try:
        with engine.begin() as connection:
            return run_all(Transaction(connection, _DIALECT), runs)
    except OperationalError:  # the file is locked, full or unreadable: to try one by one would not help
        raise
    except Exception:
        if len(runs) == 1:
            raise
    return in_all([_commit_alone(engine, run) for run in runs])


def _commit_alone(engine: Engine, run: Run) -> Committed:
    try:
        with engine.begin() as connection:
            return run_all(Transaction(connection, _DIALECT), [run])
    except Exception as error:  # noqa: BLE001 - the caller, who waits in another thread, handles it
        return Committed([Failed(error)], Changes())


def _place(url: str, folder: Path) -> URL:
    """The URL with the file's full path."""
    name = url.removeprefix("sqlite:///").partition("?")[0]
    if not url.startswith("sqlite:///") or name in ("", ":memory:") or name.startswith("file:"):
        raise OperationStoreError("should be sqlite:///FILE")
    given = make_url(url)
    path = folder / (given.database or "")
    return given.set(drivername="sqlite+pysqlite", database=str(path))


def _inspected(path: Path, timeout: float) -> SingleFile:
    """The file at `path`, created if it does not exist, and not damaged."""
    file = SingleFile(path)
    try:
        file.create()
        file.inspect(timeout)
    except OSError as error:
        raise OperationStoreError(f"{path} cannot be created or opened: {error.strerror}") from error
    return file


def _engine(place: URL, begin: str, *pragmas: str) -> Engine:
    # isolation_level None: the driver begins no transaction of its own, so that the BEGIN below is the only one.
    arguments = {"isolation_level": None, "check_same_thread": False, "timeout": _timeout(place)}
    engine = create_engine(place.set(query={}), connect_args=arguments, max_overflow=0)
    set_up = ("PRAGMA synchronous = NORMAL", *pragmas)

    def connected(connection: Any, record: object) -> None:
        _log_ahead(connection, _timeout(place))
        for pragma in set_up:
            connection.execute(pragma)

    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)
    return engine


def _log_ahead(connection: sqlite3.Connection, timeout: float) -> None:
    """Sets WAL mode. Tries again, because this ignores the file's time-out while several processes create it."""
    end = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _timeout(place: URL) -> float:
    asked = place.query.get("timeout", BUSY_SECONDS)
    try:
        return float(str(asked))
    except ValueError:
        raise OperationStoreError(f"timeout should be a number of seconds, not {asked!r}") from None
