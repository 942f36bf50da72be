"""Settings for the commands of operators, and a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from postgres_server import PostgresServer

WriteSettings = Callable[..., Path]


@pytest.fixture
async def database(postgres: PostgresServer) -> str:
    """The URL of an empty database."""
    return postgres.url(await postgres.make_database())


@pytest.fixture
def settings(tmp_path: Path) -> WriteSettings:
    """Writes a settings file with ports that the system chooses, the echo provider, and the given lines."""

    def write(*lines: str, server: str = "", operations: str = "") -> Path:
        path = tmp_path / "dragoman.toml"
        ports = 'grpc = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\n' if "grpc" not in server else ""
        path.write_text(
            f'[server]\n{ports}data_dir = "data"\n{server}\n[operations]\n{operations}\n'
            + "\n".join(('[providers.echo]\nplugin = "echo"', *lines))
        )
        return path

    return write
