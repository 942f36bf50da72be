"""The ledger in one SQLite file, for the processes of one machine.

One thread writes, and what comes while it is at it goes into its next transaction together; a few threads read.
Statements run as a whole in their thread: a hop to a thread costs more than a statement does.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from dragoman_service.contract import CompletionError
from dragoman_service.operations.failures import LedgerError, unavailable
from dragoman_service.operations.group_commit import GroupCommit
from dragoman_service.operations.migrate import migrate

P = ParamSpec("P")
T = TypeVar("T")

READERS = 4  # threads
BUSY_SECONDS = 5.0  # how long to wait for a file that another process has locked; `?timeout=` in the URL overrides it


class SqliteLedger:
    """A `Ledger`, see there."""

    def __init__(self, reader: Engine, writer: Engine) -> None:
        self._reader = reader
        self._readers = ThreadPoolExecutor(READERS, "ledger-reader")
        self._writer = GroupCommit(writer)
        self._log = structlog.get_logger()
        self._failing = False

    async def read(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            with self._reader.connect() as connection:
                return statement(connection, *args, **kwargs)

        return await self._guarded(asyncio.get_running_loop().run_in_executor(self._readers, run))

    async def write(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run(connection: Connection) -> T:
            return statement(connection, *args, **kwargs)

        written = await self._guarded(self._writer.submit(run))
        self._recovered()
        return written

    async def _guarded(self, result: asyncio.Future[T]) -> T:
        try:
            return await result
        except DBAPIError as error:
            if not self._failing:
                self._failing = True
                self._log.error("operations.store_failed", error=str(error.orig))
            raise unavailable() from error

    def _recovered(self) -> None:
        if self._failing:
            self._failing = False
            self._log.info("operations.store_recovered")

    def close(self) -> None:
        """Waits for what is being written."""
        self._writer.close()
        self._readers.shutdown()


@asynccontextmanager
async def open_sqlite(url: str, folder: Path) -> AsyncIterator[SqliteLedger]:
    """The ledger in the file of `url` (`sqlite:///FILE`, relative to `folder`), made or brought up to date first.

    Raises LedgerError.
    """
    place = _place(url, folder)
    reader, writer = _engine(place, "BEGIN", "PRAGMA query_only = ON"), _engine(place, "BEGIN IMMEDIATE")
    ledger = SqliteLedger(reader, writer)
    try:
        try:
            await ledger.write(migrate)
        except CompletionError as error:
            raise LedgerError(f"{place.database} cannot be used: {getattr(error.__cause__, 'orig', error)}") from error
        yield ledger
    finally:
        ledger.close()
        reader.dispose()
        writer.dispose()


def _place(url: str, folder: Path) -> URL:
    """The URL with the file's full path. The file holds prompts: only its owner may read it."""
    given = make_url(url)
    name = given.database or ""
    if given.get_backend_name() != "sqlite" or name in ("", ":memory:") or name.startswith("file:"):
        raise LedgerError(f"should be sqlite:///FILE, not {given!r}")
    path = folder / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise LedgerError(f"{path} cannot be made or opened: {error.strerror}") from error
    return given.set(drivername="sqlite+pysqlite", database=str(path))


def _engine(place: URL, begin: str, *pragmas: str) -> Engine:
    # isolation_level None: the driver begins no transaction of its own, so that the BEGIN below is the one that counts.
    arguments = {"isolation_level": None, "check_same_thread": False, "timeout": _timeout(place)}
    engine = create_engine(place.set(query={}), connect_args=arguments, max_overflow=0)
    set_up = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", *pragmas)

    def connected(connection: Any, record: object) -> None:
        for pragma in set_up:
            connection.execute(pragma)

    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)
    return engine


def _timeout(place: URL) -> float:
    asked = place.query.get("timeout", BUSY_SECONDS)
    try:
        return float(str(asked))
    except ValueError:
        raise LedgerError(f"timeout should be a number of seconds, not {asked!r}") from None
