"""The seam between the ledger's statements and the database that they run in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

from dragoman_service.operations.model.changes import OnChange

P = ParamSpec("P")
T = TypeVar("T")


_MARK = "is_one_select"


def one_select(statement: Callable[P, T]) -> Callable[P, T]:
    """Marks a statement that is a single SELECT: what it returns is consistent without a transaction."""
    statement.__dict__[_MARK] = True
    return statement


def is_one_select(statement: Callable[..., object]) -> bool:
    """It was marked so."""
    return getattr(statement, _MARK, False)


class OperationStore(Protocol):
    """Runs statements: plain functions whose first argument is the connection.

    Both raise OPERATIONS_UNAVAILABLE if the database cannot be used. `statement` must do nothing but talk to the
    database, since it may run in another thread and, for `write`, more than once.
    """

    async def read(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `statement` returns, from one consistent view of the database."""
        ...

    async def write(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `statement` returns, once its changes are committed. They are committed whole or not at all."""
        ...


@asynccontextmanager
async def open_store(url: str, data_dir: Path, on_change: OnChange) -> AsyncIterator[OperationStore]:
    """The ledger at `url`, made or brought up to date first.

    `url` is `sqlite:///FILE`, relative to `data_dir`, or `postgresql://…` as libpq takes it. `on_change` is told what
    is committed, here and by all others who have the ledger open. Raises OperationStoreError.
    """
    if url.startswith(("postgresql://", "postgres://")):
        from dragoman_service.operations.store.postgres import open_postgres  # its driver is loaded where it is of use

        async with open_postgres(url, on_change) as in_postgres:
            yield in_postgres
    else:
        from dragoman_service.operations.store.sqlite import open_sqlite

        async with open_sqlite(url, data_dir, on_change) as in_sqlite:
            yield in_sqlite
