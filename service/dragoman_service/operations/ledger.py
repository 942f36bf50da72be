"""The seam between the ledger's statements and the database that they run in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

P = ParamSpec("P")
T = TypeVar("T")


class Ledger(Protocol):
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
