"""The artefacts of a release, and a service that was installed from them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from installing import ROOT, TOOLS, run

LISTENERS = """
[server]
grpc = "127.0.0.1:0"
http = "127.0.0.1:0"
data_dir = "data"
drain_delay = "0s"
"""
TLS = """
[server.tls]
certificate = "server.pem"
key = "server.key"
"""


@dataclass(frozen=True, slots=True)
class Secured:
    """A service that requires TLS and an API key."""

    target: str
    ca: Path
    key: str


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Path]]:
    """Builds a part of a release, once, and returns its files."""
    built: dict[str, list[Path]] = {}

    def build(part: str) -> list[Path]:
        if part not in built:
            folder = tmp_path_factory.mktemp(part)
            run(ROOT, sys.executable, "scripts/dist.py", "--output", folder, part)
            built[part] = sorted(folder.iterdir())
        return built[part]

    return build


@pytest.fixture(scope="session")
def environment(dist: Callable[[str], list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Installs wheels, by the beginning of their names, into a new environment, and returns its folder of programs."""

    def install(*names: str) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        wheels = [wheel for wheel in dist("python") if wheel.name.startswith(names)]
        assert len(wheels) == len(names)
        constraints = ROOT / "requirements" / "runtime.lock"
        run(folder, TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, "installed")
        to = ("--quiet", "--python", "installed", "--constraint", constraints)
        run(folder, TOOLS / "uv", "pip", "install", *to, *wheels)
        return folder / "installed" / "bin"

    return install


@pytest.fixture(scope="session")
def command(environment: Callable[..., Path]) -> Path:
    """The command `dragoman`, from the wheel of the service."""
    return environment("dragoman-", "dragoman_service-") / "dragoman"


@pytest.fixture(scope="session")
def target(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that runs from its wheel, in an empty folder."""
    with serving(command, tmp_path_factory.mktemp("service"), LISTENERS + "[providers.echo]\n") as address:
        yield address


@pytest.fixture(scope="session")
def secured(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The same, with TLS and a key."""
    folder, authority = tmp_path_factory.mktemp("secured"), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "server.key"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    key, _, access = run(folder, command, "keys", "create", "guide").partition("\n")
    with serving(command, folder, f"{LISTENERS}{TLS}[providers.echo]\n{access}") as address:
        yield Secured(address, folder / "ca.pem", key)


@contextmanager
def serving(command: Path, folder: Path, settings: str) -> Iterator[str]:
    """The address of a service in a folder, until the context ends."""
    (folder / "dragoman.toml").write_text(settings)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [command, "serve", "--config", "dragoman.toml"], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    try:
        addresses = dict(process.stdout.readline().split() for _ in range(2))
        yield addresses["grpc"]
    finally:
        process.terminate()
        process.communicate()


@pytest.fixture(scope="session")
def npm_project(dist: Callable[[str], list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty Node project into which the tarball is installed."""
    folder = tmp_path_factory.mktemp("node")
    (tarball,) = dist("typescript")
    (folder / "package.json").write_text('{"private": true}')
    run(folder, "npm", "install", "--silent", "--no-audit", "--no-fund", tarball)
    return folder
