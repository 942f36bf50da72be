"""The lock files contain what pyproject.toml requires, with hashes, and name no package index."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = {"dragoman", "dragoman-service"}
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
OTHERS = sorted((ROOT / "requirements").glob("*.in"))  # the requirements of environments other than the project's own


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    return {canonicalize_name(found): version for found, version in re.findall(r"^([\w.-]+)==([\w.]+)", text, re.M)}


def asked_of(name: str) -> list[str]:
    table = project()
    extras, groups = table["project"]["optional-dependencies"], table["dependency-groups"]
    client = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())
    minimal = [*table["project"]["dependencies"], *groups["build"], *client["project"]["dependencies"]]
    runtime = [*minimal, *extras["local"]]
    asked = {
        "minimal": minimal,
        "runtime": runtime,
        "dev": [*runtime, *extras["prices"], *extras["testing"], *groups["dev"]],
        "tools": groups["tools"],
    }
    return list(asked[name])


def stale(name: str, asked: list[str]) -> list[str]:
    """Requirements that the lock file does not contain."""
    versions = locked(name)
    found = []
    for requirement in map(Requirement, asked):
        version = versions.get(canonicalize_name(requirement.name))
        if requirement.name not in OURS and (version is None or not requirement.specifier.contains(version)):
            found.append(f"{requirement}: locked {version}; run `make lock`")
    return found


@pytest.mark.parametrize("name", ["minimal", "runtime", "dev", "tools"])
def test_a_lock_contains_what_the_project_requires(name: str) -> None:
    assert not stale(name, asked_of(name))


@pytest.mark.parametrize("file", OTHERS, ids=lambda file: str(file.stem))
def test_a_lock_of_another_environment_contains_what_its_list_requires(file: Path) -> None:
    asked = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]

    assert asked
    assert not stale(file.stem, asked)


def test_the_runtime_has_the_tested_versions() -> None:
    runtime, dev = locked("runtime"), locked("dev")

    assert {name: dev.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.stem))
def test_a_lock_names_no_index_and_hashes_everything(lock: Path) -> None:
    text = lock.read_text()
    packages = re.split(r"^(?=[\w.-]+==)", text, flags=re.M)[1:]

    assert "://" not in text
    assert "--index" not in text
    assert packages
    assert all("--hash=sha256:" in package for package in packages)
