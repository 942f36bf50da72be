"""The ledger in one SQLite file, for the processes of one machine.

One thread writes, and what comes while it is at it goes into its next transaction together; a few threads read.
Statements run as a whole in their thread: a hop to a thread costs more than a statement does.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError

from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.changes import Changes, OnChange
from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.notify.unix import open_notifier
from dragoman_service.operations.sql.connection_health import Health, reason_of
from dragoman_service.operations.sql.migrate import migrate
from dragoman_service.operations.store.group_commit import Committed, Failed, GroupCommit, Run, in_all, run_all

P = ParamSpec("P")
T = TypeVar("T")

READERS = 4  # threads
BUSY_SECONDS = 5.0  # how long to wait for a file that another process has locked; `?timeout=` in the URL overrides it


class SqliteDatabase:
    """A `OperationStore`, see there."""

    def __init__(self, reader: Engine, writer: Engine, committed: Callable[[Changes], None]) -> None:
        self._reader, self._writer = reader, writer
        self._readers = ThreadPoolExecutor(READERS, "ledger-reader")
        self._thread = ThreadPoolExecutor(1, "ledger-writer")
        self._group = GroupCommit(self._commit, committed)
        self._health = Health()

    async def read(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            with self._reader.connect() as connection:
                return statement(connection, *args, **kwargs)

        with self._health.watched(writing=False):
            return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    async def write(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run(connection: Connection) -> T:
            return statement(connection, *args, **kwargs)

        with self._health.watched(writing=True):
            return await self._group.submit(run)

    def _commit(self, runs: Sequence[Run]) -> asyncio.Future[Committed]:
        return asyncio.get_running_loop().run_in_executor(self._thread, _commit, self._writer, runs)

    async def close(self) -> None:
        """Waits for what is being written."""
        await self._group.close()
        self._thread.shutdown()
        self._readers.shutdown()


@asynccontextmanager
async def open_sqlite(url: str, folder: Path, on_change: OnChange) -> AsyncIterator[SqliteDatabase]:
    """The ledger in the file of `url` (`sqlite:///FILE`, relative to `folder`), made or brought up to date first.

    Beside it lies a folder for those who have it open, see `UnixNotifier`. Raises OperationStoreError.
    """
    place = _place(url, folder)
    reader, writer = _engine(place, "BEGIN", "PRAGMA query_only = ON"), _engine(place, "BEGIN IMMEDIATE")
    notifier = open_notifier(Path(f"{place.database}.bells"), on_change)

    def committed(news: Changes) -> None:
        news.tell(on_change, own=True)
        if notifier is not None:
            notifier.ring(news)

    ledger = SqliteDatabase(reader, writer, committed)
    try:
        try:
            await ledger.write(migrate)
        except CompletionError as error:
            raise OperationStoreError(
                f"{place.database} cannot be used: {reason_of(error.__cause__ or error)}"
            ) from error
        yield ledger
    finally:
        await ledger.close()
        if notifier is not None:
            notifier.close()
        reader.dispose()
        writer.dispose()


def _commit(engine: Engine, runs: Sequence[Run]) -> Committed:
    """The results of all. If one of them is at fault, each runs again on its own, so that it harms no other."""
    try:
        with engine.begin() as connection:
            return run_all(connection, runs)
    except OperationalError:  # the file is locked, full or unreadable: no other order would help
        raise
    except Exception:
        if len(runs) == 1:
            raise
    return in_all([_commit_alone(engine, run) for run in runs])


def _commit_alone(engine: Engine, run: Run) -> Committed:
    try:
        with engine.begin() as connection:
            return run_all(connection, [run])
    except Exception as error:  # noqa: BLE001 - it is the caller's, who waits for it in another thread
        return Committed([Failed(error)], Changes())


def _place(url: str, folder: Path) -> URL:
    """The URL with the file's full path. The file holds prompts: only its owner may read it."""
    name = url.removeprefix("sqlite:///").partition("?")[0]
    if not url.startswith("sqlite:///") or name in ("", ":memory:") or name.startswith("file:"):
        # Not a word of the URL itself: others hold a password.
        raise OperationStoreError("should be sqlite:///FILE or postgresql://USER:PASSWORD@HOST:5432/DATABASE")
    given = make_url(url)
    path = folder / (given.database or "")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise OperationStoreError(f"{path} cannot be made or opened: {error.strerror}") from error
    return given.set(drivername="sqlite+pysqlite", database=str(path))


def _engine(place: URL, begin: str, *pragmas: str) -> Engine:
    # isolation_level None: the driver begins no transaction of its own, so that the BEGIN below is the one that counts.
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


def _log_ahead(connection: sqlite3.Connection, patience: float) -> None:
    """Sets WAL mode. Where several processes make one file, this fails at once, whatever the time-out of the file."""
    end = time.monotonic() + patience
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
