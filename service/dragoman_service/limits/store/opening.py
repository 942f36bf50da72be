"""The store of limits that belongs to a store of operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, StaticPool, create_engine
from sqlalchemy.dialects.sqlite import insert

from dragoman_service.limits.store.relational import SqlLimitStore
from dragoman_service.limits.store.schema import metadata
from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.sql.transaction import Dialect, Transaction
from dragoman_service.operations.store.database import Database
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.operations.store.memory import MemoryStore
from dragoman_service.operations.store.relational import SqlStore

P = ParamSpec("P")
T = TypeVar("T")


_opened: WeakKeyDictionary[object, SqlLimitStore] = WeakKeyDictionary()


def limits_of(store: OperationStore) -> SqlLimitStore:
    """The store of limits in the database of `store`, whose connections it shares; always the same one.

    Raises OperationStoreError for a store of another package that has no SQL database.
    """
    # Two would each have a statement in one transaction, and lock counters in an order that others do not keep.
    if isinstance(store, SqlStore):
        database: Database = store.database
        key: object = database
    elif isinstance(store, MemoryStore):
        key = store.memory
        database = MemoryDatabase()
    else:
        raise OperationStoreError(
            "keeps operations in a store that cannot hold limits and usage: it should be sqlite:, postgresql: or "
            "memory:"
        )
    if key not in _opened:
        _opened[key] = SqlLimitStore(database)
    return _opened[key]


class MemoryDatabase:
    """A `Database` in memory, for as long as the process lives. Statements are too quick to be worth a thread."""

    def __init__(self) -> None:
        self._engine: Engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        metadata.create_all(self._engine)

    async def select(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.read(statement, *args, **kwargs)

    async def read(self, statement: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._engine.connect() as connection:
            return statement(connection, *args, **kwargs)

    async def write(self, statement: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._engine.begin() as connection:
            return statement(Transaction(connection, Dialect(insert)), *args, **kwargs)
