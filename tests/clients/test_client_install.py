"""The client installs on its own: its wheel works with the oldest gRPC and protobuf that it allows."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
import venv
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "clients" / "python"
ALLOWED = {"dragoman", "googleapis-common-protos", "grpcio", "protobuf", "typing-extensions", "pip", "setuptools"}
TRY_IT = """
import asyncio, dragoman

def name_of(call):
    try:
        call()
    except dragoman.DragomanError as error:
        return type(error).__name__

client, later = dragoman.Client("127.0.0.1:1"), dragoman.AsyncClient("127.0.0.1:1")
print(name_of(lambda: client.start("Hello")), name_of(lambda: asyncio.run(later.start("Hello"))))
"""


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python without packages, in a folder outside this project."""
    venv.create(tmp_path / "environment", with_pip=True)
    return tmp_path / "environment" / "bin" / "python"


@pytest.fixture
def wheel(tmp_path: Path, python: Path) -> Path:
    source = shutil.copytree(SOURCE, tmp_path / "source", ignore=shutil.ignore_patterns("*.egg-info", "build"))
    run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, source, folder=tmp_path)
    return next(tmp_path.glob("dragoman-*.whl"))


def test_the_wheel_works_on_its_own_and_is_typed(tmp_path: Path, python: Path, wheel: Path) -> None:
    bounds = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]["dependencies"]
    oldest = [bound.replace(">=", "==") for bound in bounds]
    run(python, "-m", "pip", "install", "--quiet", wheel, *oldest, folder=tmp_path)
    said = run(python, "-I", "-c", TRY_IT, folder=tmp_path)
    installed = run(python, "-m", "pip", "list", "--format", "freeze", folder=tmp_path)
    packages = next((tmp_path / "environment" / "lib").glob("python*")) / "site-packages"

    assert said.split() == ["UnavailableError", "UnavailableError"]
    assert {line.partition("==")[0].replace("_", "-") for line in installed.splitlines()} <= ALLOWED
    assert (packages / "dragoman" / "py.typed").exists()
    assert (packages / "dragoman" / "v1" / "completion_pb2.pyi").exists()
    assert list(packages.glob("dragoman-*.dist-info/licenses/LICENSE"))
