"""Programs of others that judge the native transport, built by `make interop`, and servers for them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trustme

HERE = Path(__file__).parent
PROGRAMS = HERE.parents[1] / "build/interop/bin"


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """Where a program of build/interop is."""

    def find(name: str) -> Path:
        found = PROGRAMS / name
        assert found.exists(), f"{found} is missing: run `make interop`"
        return found

    return find


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of a certificate for localhost: `ca`, `certificate`, `key`."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    files = {name: str(folder / f"{name}.pem") for name in ("ca", "certificate", "key")}
    issued = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(files["ca"])
    issued.cert_chain_pems[0].write_to_path(files["certificate"])
    issued.private_key_pem.write_to_path(files["key"])
    return files


@pytest.fixture(scope="session")
def served(authority: dict[str, str]) -> Iterator[Callable[[bool], str]]:
    """The port of TestService on the native transport, with or without TLS."""
    with ExitStack() as stack:
        ports: dict[bool, str] = {}

        def port(tls: bool) -> str:
            if tls not in ports:
                pair = [authority["certificate"], authority["key"]] if tls else []
                ports[tls] = stack.enter_context(listening("servicer.py", *pair))
            return ports[tls]

        yield port


@contextmanager
def listening(program: str, *arguments: str) -> Iterator[str]:
    """The port of a program in this folder, which prints it and serves until its stdin is closed."""
    command = [sys.executable, str(HERE / program), *arguments]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


@pytest.fixture
def h2spec_port() -> Iterator[str]:
    """The port of the native server that h2spec asks."""
    with listening("h2spec_server.py") as port:
        yield port
