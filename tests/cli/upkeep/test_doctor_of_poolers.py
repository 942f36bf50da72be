"""`dragoman doctor` and `dragoman migrate` where a pooler leads to the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dragoman_command import invoke
from pgbouncer_server import Pooler, pooler
from postgres_server import PostgresServer

Settings = Callable[..., Path]


@pytest.fixture
def name(database: str) -> str:
    """Of an empty database."""
    return database.partition("@/")[2].partition("?")[0]


@pytest.fixture(scope="module")
def sharing(postgres: PostgresServer) -> Iterator[Pooler]:
    """A pooler in transaction mode."""
    with pooler(postgres, "transaction") as running:
        yield running


def examined(config: Path) -> dict[str, tuple[str, str, str]]:
    """The status, the finding and the remedy of each check."""
    told = json.loads(invoke("doctor", "--json", "--config", str(config)).stdout)
    return {one["check"]: (one["status"], one["found"], one["remedy"]) for one in told}


def test_a_service_that_would_hear_nothing_is_warned_of(sharing: Pooler, name: str, settings: Settings) -> None:
    status, found, remedy = examined(settings(operations=f'url = "{sharing.url(name)}"'))["store pooler"]

    assert status == "warning"
    assert found == "a pooler in transaction mode loses notifications, so changes are looked for every 250 ms"
    assert remedy == "Set operations.direct_url to the server's own address, or operations.listen to poll"


def test_connections_past_the_pooler_are_counted_apart(
    sharing: Pooler, name: str, database: str, settings: Settings
) -> None:
    config = settings(server="workers = 4", operations=f'url = "{sharing.url(name)}"\ndirect_url = "{database}"')
    migrated = invoke("migrate", "--config", str(config))
    found = examined(config)

    assert migrated.stdout.startswith("The tables were created")
    assert found["store"][0] == "ok"
    assert found["store pooler"][0] == "ok"
    assert found["store pooler"][1].startswith("a pooler in transaction mode leads to the server; statements ")
    assert found["store connections"][1].startswith(
        "20 connections to the pooler (its max_client_conn), 4 past it; the server grants "
    )


def test_a_direct_url_to_another_database_is_a_failure(
    sharing: Pooler, name: str, postgres: PostgresServer, settings: Settings
) -> None:
    config = settings(operations=f'url = "{sharing.url(name)}"\ndirect_url = "{postgres.url("postgres")}"')
    status, found, _ = examined(config)["store"]

    assert (status, found) == (
        "failed",
        "operations.direct_url leads to another database or schema than operations.url",
    )


def test_statement_mode_is_a_failure_that_says_what_to_do(
    postgres: PostgresServer, name: str, settings: Settings
) -> None:
    with pooler(postgres, "statement") as running:
        status, found, _ = examined(settings(operations=f'url = "{running.url(name)}"'))["store"]

    assert status == "failed"
    assert "set its pool_mode to transaction or session" in found
