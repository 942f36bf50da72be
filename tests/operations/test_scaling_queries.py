"""The queries of docs/scaling.md, which autoscalers run."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import pytest
from dragoman_service.testing.operation_laws.rows import claim, new
from dragoman_service.testing.operation_laws.stage import Store
from openers import OpenStore

PAGE = Path(__file__).resolve().parents[2] / "docs/scaling.md"


@pytest.fixture
def store(postgres_store: Store) -> Store:
    return postgres_store


async def test_the_documented_queries_return_integers(store: Store, open_store: OpenStore) -> None:
    count, age = re.findall(r"SELECT [^\"`\n]* FROM operations[^\"`\n]*", PAGE.read_text())
    opened = await open_store()
    connection = await asyncpg.connect(store.url)
    nothing = [await connection.fetchval(query) for query in (count, age)]
    await opened.start(new(1))
    await claim(opened)
    await opened.start(new(2))
    await connection.execute("UPDATE operations SET create_time = create_time - 5000")
    found = [await connection.fetchval(query) for query in (count, age)]
    await connection.close()

    assert nothing == [0, 0]
    assert found[0] == 2
    assert found[1] >= 5
