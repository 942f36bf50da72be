"""The types of the fixtures in this folder: functions that open stores and workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dragoman_service.operations.store.database import Database
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.operations.store.relational import SqlStore
from dragoman_service.testing.operation_laws.replicas.replica import Replica

SLOTS = 16  # of a worker
OpenWorker = Callable[..., Awaitable[Replica]]
OpenStore = Callable[..., Awaitable[OperationStore]]


def database_of(store: OperationStore) -> Database:
    """The database of a store that speaks SQL."""
    assert isinstance(store, SqlStore)
    return store.database
