"""What the fixtures of this folder hand out: functions that open stores and workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dragoman_service.operations.store.database import Database
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.operations.store.relational import SqlStore
from operation_worker import Worker

OpenWorker = Callable[..., Awaitable[Worker]]
OpenStore = Callable[..., Awaitable[OperationStore]]


def database_of(store: OperationStore) -> Database:
    """The database of a store that speaks SQL."""
    assert isinstance(store, SqlStore)
    return store.database
