"""The seam between SQL statements and the database that runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Concatenate, ParamSpec, Protocol, TypeVar, runtime_checkable

from sqlalchemy import Connection

from dragoman_service.operations.sql.transaction import Transaction

P = ParamSpec("P")
T = TypeVar("T")


class Database(Protocol):
    """Runs statements: plain functions that do nothing but talk to the database.

    All methods raise OPERATIONS_UNAVAILABLE if the database cannot be used. A statement may run in another thread and,
    for `write`, more than once.
    """

    async def select(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a statement returns that is a single SELECT: it sees one moment without a transaction."""
        ...

    async def read(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `statement` returns, from one consistent view of the database."""
        ...

    async def write(self, statement: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `statement` returns, once its changes are committed. They are committed as a whole or not at all."""
        ...


@runtime_checkable
class Connected(Protocol):
    """A database on a server."""

    @property
    def reconnects(self) -> int:
        """Attempts to connect that followed a failed one."""
        ...

    def connections(self) -> Mapping[str, int]:
        """How many connections are in each state: `used` by a statement, or `idle`."""
        ...
