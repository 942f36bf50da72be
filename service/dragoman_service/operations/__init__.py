"""Long-running operations: completions that are answered later and survive the death of the server."""

from __future__ import annotations

from dragoman_service.operations.factory import OpenedStore, open_operations, open_shared_store, operations_in
from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.model.observer import Observer
from dragoman_service.operations.model.workers import Membership, Worker
from dragoman_service.operations.service import Operations
from dragoman_service.operations.start_options import StartOptions
from dragoman_service.operations.store.opening import open_store

__all__ = [
    "Membership",
    "Observer",
    "OpenedStore",
    "OperationStoreError",
    "Operations",
    "StartOptions",
    "Worker",
    "open_operations",
    "open_shared_store",
    "open_store",
    "operations_in",
]
