"""The service that the tests of the command line share."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dragoman_command import Service, serving

ECHO = '[access]\nanonymous_listing = true\n[providers.echo]\nplugin = "echo"\n'


@pytest.fixture(scope="session")
def echo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A settings file with the echo provider alone."""
    path = tmp_path_factory.mktemp("settings") / "dragoman.toml"
    path.write_text(ECHO)
    return path


@pytest.fixture(scope="session")
def service(echo_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("data"), "--config", str(echo_file)) as service:
        yield service


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Finds a port that nobody uses."""

    def find() -> int:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            return int(listener.getsockname()[1])

    return find
