"""Counters and the ledger in PostgreSQL behind PgBouncer in transaction mode: a part of the tests of the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledgers import Place
from pgbouncer_server import Pooler, pooler
from postgres_server import PostgresServer
from test_limit_store import (
    test_all_limits_agree_or_nothing_is_taken_of_any as test_all_limits_agree,
)
from test_limit_store import (
    test_an_attempt_is_settled_once_however_often_it_is_told as test_an_attempt_is_settled_once,
)
from test_limit_store import (
    test_as_many_as_the_limit_allows_are_granted_of_those_that_ask_at_once as test_the_limit_holds,
)

__all__ = ["test_all_limits_agree", "test_an_attempt_is_settled_once", "test_the_limit_holds"]


@pytest.fixture(scope="module")
def sharing(postgres: PostgresServer) -> Iterator[Pooler]:
    """A pooler in transaction mode."""
    with pooler(postgres, "transaction") as running:
        yield running


@pytest.fixture
async def place(postgres: PostgresServer, sharing: Pooler, tmp_path: Path) -> Place:
    return Place(sharing.url(await postgres.make_database()), tmp_path)
