"""Whoever publishes the repository gives it an address with one command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from installing import LIMIT, ROOT, run

PLACEHOLDER, HOME = "example.com/dragoman", "forge.test/Some-One/dragoman"

LIST = "import json, proto; print(json.dumps([(each.generator, each.installer) for each in proto.LANGUAGES]))"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of what is committed, with the tools and the generators of this one."""
    folder = tmp_path / "clone"
    run(tmp_path, "git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), folder)
    (folder / ".tools").symlink_to(ROOT / ".tools")
    return folder


@pytest.fixture
def equipped(clone: Path) -> Path:
    """The clone with the generators of all languages."""
    for generator, installer in json.loads(run(ROOT / "scripts", ROOT / ".tools/bin/python", "-c", LIST)):
        run(ROOT, *installer.split())
        folder = next(folder for folder in Path(generator).parents if folder.name in {"bin", "node_modules"})
        (clone / folder).parent.mkdir(parents=True, exist_ok=True)
        (clone / folder).symlink_to(ROOT / folder)
    return clone


def move(folder: Path, address: str) -> subprocess.CompletedProcess[str]:
    command = [".tools/bin/python", "scripts/home.py", address]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT, check=False)


@pytest.mark.timeout(LIMIT)
def test_one_command_replaces_the_address(equipped: Path) -> None:
    done = move(equipped, HOME)
    changed = run(equipped, "git", "diff", "--name-only").split()
    remaining = subprocess.run(["git", "grep", "-l", PLACEHOLDER], cwd=equipped, stdout=subprocess.PIPE, text=True)

    assert done.returncode == 0, done.stderr
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "proto/dragoman/v1").iterdir()} <= {*changed}
    assert remaining.stdout == ""
    assert run(equipped / "clients/go", "go", "list", ".").strip() == f"{HOME}/clients/go"
    run(equipped / "clients/go", "go", "vet", ".", "./example")
    assert run(equipped / "clients/go", "gofmt", "-l", ".") == ""
    run(equipped, ".tools/bin/python", "scripts/proto.py", "drift", "clients/go")


@pytest.mark.parametrize("address", ["dragoman", "https://forge.test/dragoman", ""])
def test_what_is_no_address_changes_nothing(clone: Path, address: str) -> None:
    done = move(clone, address)

    assert done.returncode == 1
    assert "github.com/OWNER/NAME" in done.stderr
    assert run(clone, "git", "status", "--porcelain", "--untracked-files=no") == ""


def test_a_missing_generator_is_named_before_anything_changes(clone: Path) -> None:
    done = move(clone, HOME)

    assert "make go" in done.stderr
    assert run(clone, "git", "status", "--porcelain", "--untracked-files=no") == ""
