"""The artefacts of a release, and a service that was installed from them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from installing import ROOT, TOOLS, run

SETTINGS = """
[server]
grpc = "127.0.0.1:0"
http = "127.0.0.1:0"
data_dir = "data"
drain_delay = "0s"
[providers.echo]
"""


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
def target(environment: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that runs from its wheel, in an empty folder."""
    folder = tmp_path_factory.mktemp("service")
    command = environment("dragoman-", "dragoman_service-") / "dragoman"
    (folder / "dragoman.toml").write_text(SETTINGS)
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [command, "serve", "--config", "dragoman.toml"], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        addresses = dict(process.stdout.readline().split() for _ in range(2))
        yield addresses["grpc"]
        process.terminate()
        process.communicate()
