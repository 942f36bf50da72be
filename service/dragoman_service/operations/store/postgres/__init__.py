"""The store in PostgreSQL, for any number of processes and machines."""

from __future__ import annotations

from dragoman_service.operations.store.postgres.opening import open_postgres

__all__ = ["open_postgres"]
