"""The laws of operation stores, kept by PostgreSQL: a real server, started for these tests and ended with them."""

from __future__ import annotations

import pytest
from dragoman_service.testing.operation_laws import OperationStoreLaws, Store


@pytest.fixture
def store(postgres_store: Store) -> Store:
    return postgres_store


class TestPostgresql(OperationStoreLaws):
    """All of them."""
