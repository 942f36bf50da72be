"""The clients: how each one is built, checked and run, and what a machine needs for that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
BUILD_LIMIT = 900  # seconds
Command = tuple[str, ...]


class CannotRunError(Exception):
    """A client cannot be built or checked on this machine; the text says why, and what to do."""


@dataclass(frozen=True)
class Language:
    """A client. Commands run in its folder."""

    name: str
    folder: str
    run: Command
    """Starts the runner; the names of the two files follow."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Program → what to install if it is missing."""
    build: tuple[Command, ...] = ()
    checks: Mapping[str, Command] = field(default_factory=dict)
    """Unit tests, style and types, by what they are called."""

    @property
    def path(self) -> Path:
        return ROOT / self.folder

    def prepare(self) -> None:
        """Builds the runner. Raises CannotRunError if that fails."""
        for program, package in self.needs.items():
            if shutil.which(program) is None:
                raise CannotRunError(
                    f"{program} is not installed. Install {package}, then run `make test-clients` again."
                )
        for command in self.build:
            self.execute(command)

    def execute(self, command: Command) -> str:
        """The output of a command. Raises CannotRunError, with the end of that output, if it fails."""
        try:
            done = subprocess.run(
                command,
                cwd=self.path,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=BUILD_LIMIT,
            )
        except subprocess.TimeoutExpired:
            raise CannotRunError(f"`{' '.join(command)}` took longer than {BUILD_LIMIT} s.") from None
        if done.returncode != 0:
            raise CannotRunError(f"`{' '.join(command)}` in {self.folder} failed:\n{done.stdout[-4000:]}")
        return done.stdout


def environment() -> dict[str, str]:
    """The environment of builds and runners, without settings of this process's own service or its Python."""
    hidden = ("DRAGOMAN_", "PYTEST_")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


PYTHON = Language(
    name="Python",
    folder="clients/python",
    run=(sys.executable, str(HERE / "runner.py")),
)
PYTHON_ASYNC = Language(
    name="asyncio",
    folder="clients/python",
    run=(sys.executable, str(HERE / "runner.py"), "--async"),
)
GO = Language(
    name="Go",
    folder="clients/go",
    needs={"go": "Go 1.24 or newer (Debian: golang)"},
    build=(("make", "--no-print-directory", "-C", str(ROOT), "go"),),
    run=(str(ROOT / "build/go/contract"),),
    checks={
        "format": ("sh", "-c", 'files=$(gofmt -l .) && echo "$files" && test -z "$files"'),
        "vet": ("go", "vet", "./..."),
        "staticcheck": (str(ROOT / "build/go/bin/staticcheck"), "./..."),
        "tests": ("go", "test", "./..."),
        "generated code": (str(ROOT / ".tools/bin/python"), str(ROOT / "scripts/proto.py"), "drift", "clients/go"),
    },
)
RUST = Language(
    name="Rust",
    folder="clients/rust",
    needs={"cargo": "Rust 1.88 or newer with cargo, clippy and rustfmt"},
    build=(("make", "--no-print-directory", "-C", str(ROOT), "rust"),),
    run=(str(ROOT / "build/rust/target/debug/examples/contract"),),
    checks={
        "style": ("cargo", "fmt", "--check"),
        "lints": ("cargo", "clippy", "--quiet", "--all-targets", "--", "--deny", "warnings"),
        "unit tests": ("cargo", "test", "--quiet"),
        "generated code": (str(ROOT / ".tools/bin/python"), str(ROOT / "scripts/proto.py"), "drift", "clients/rust"),
    },
)
TYPESCRIPT = Language(
    name="TypeScript",
    folder="clients/typescript",
    needs={"npm": "Node 20 or newer (Debian: nodejs and npm)"},
    build=(("make", "--no-print-directory", "-C", str(ROOT), "typescript"),),
    run=("node", "build/test/contract/main.js"),
    checks={
        "types and style": ("npm", "run", "--silent", "check"),
        "unit tests": ("npm", "test", "--silent"),
        "generated code": (
            str(ROOT / ".tools/bin/python"),
            str(ROOT / "scripts/proto.py"),
            "drift",
            "clients/typescript",
        ),
    },
)
JAVA = Language(
    name="Java",
    folder="clients/java",
    needs={"mvn": "Maven 3.8 or newer (Debian: maven)", "javac": "Java 17 or newer (Debian: default-jdk-headless)"},
    build=(("make", "--no-print-directory", "-C", str(ROOT), "java"),),
    run=("src/contract/run",),
    checks={"warnings, tests and format": ("make", "--no-print-directory", "-C", str(ROOT), "java", "GOAL=verify")},
)
LANGUAGES = (PYTHON, PYTHON_ASYNC, GO, RUST, TYPESCRIPT, JAVA)
