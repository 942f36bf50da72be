"""`dragoman migrate`, and services that leave the tables to it, on SQLite and PostgreSQL."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from dragoman_command import invoke, run, serving
from dragoman_service.operations.sql.migrate import migrate
from sqlalchemy import create_engine

Settings = Callable[..., Path]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/operations.db"
    return str(request.getfixturevalue("database"))


def told(config: Path) -> subprocess.CompletedProcess[str]:
    return invoke("migrate", "--config", str(config))


def test_tables_are_created_once(url: str, settings: Settings) -> None:
    config = settings(operations=f'url = "{url}"')
    first, second = told(config), told(config)

    assert first.stdout == "The tables were created: steps 0001, 0002, 0003, 0004, 0005, 0006, 0007, 0008.\n"
    assert second.stdout == "The tables are of step 0008, the newest: nothing was done.\n"
    assert first.returncode == second.returncode == 0


def test_tables_of_an_old_version_are_upgraded(tmp_path: Path, settings: Settings) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/old.db")
    with engine.begin() as connection:
        migrate(connection, "0002")
    engine.dispose()

    ended = told(settings(operations=f'url = "sqlite:///{tmp_path}/old.db"'))
    steps = "0003, 0004, 0005, 0006, 0007, 0008"

    assert ended.stdout == f"The tables were upgraded from step 0002 to 0008: steps {steps}.\n"


def test_with_never_a_service_starts_only_on_the_newest_tables(url: str, settings: Settings, tmp_path: Path) -> None:
    config = settings(operations=f'url = "{url}"\nmigrate = "never"')
    refused = run("serve", "--config", str(config))
    told(config)
    with serving(tmp_path, "--config", str(config)) as service:
        answered = service.ask("complete", "one", "-m", "echo", "--operation")

    assert refused.returncode == 2
    assert (
        "operations.url: it has no tables, and this version needs step 0008: run `dragoman migrate`" in refused.stderr
    )
    assert answered.stdout == "one\n"


def test_a_store_that_cannot_be_reached_is_said(settings: Settings) -> None:
    ended = told(settings(operations='url = "postgresql://a:secret@127.0.0.1:1/b"'))

    assert ended.returncode == 1
    assert ended.stderr.startswith("error: operations.url: the database cannot be used: ")
    assert "secret" not in ended.stderr
