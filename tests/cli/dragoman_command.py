"""Runs the command `dragoman` as a shell would, and keeps services that it serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dragoman_service.cli import command_line
from typer.testing import CliRunner

PATIENCE = 30.0  # seconds
ANYWHERE = ("--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0")


CACHE = "DRAGOMAN_CACHE_DIR"

# What runs in the background of a shell is born deaf to Ctrl-C, and so are its children. A `preexec_fn` would do as
# well, but it makes Popen fork, and a fork of a process in which gRPC is at work may abort.
OBEY_INTERRUPTS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-m", "dragoman_service", *sys.argv[1:]])
"""


def environment(**more: str) -> dict[str, str]:
    """This environment without anything that speaks to `dragoman`, but for where the weights are."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_") or name == CACHE
    } | more


def start(
    *arguments: str, environ: Mapping[str, str] | None = None, **streams: int | IO[bytes]
) -> subprocess.Popen[str]:
    """The command as a process; stdout and stderr are pipes unless `streams` says otherwise."""
    return subprocess.Popen(
        [sys.executable, "-c", OBEY_INTERRUPTS, *arguments],
        env=environment(**(environ or {})),
        text=True,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},  # type: ignore[call-overload]
    )


def run(*arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """The command and what became of it."""
    process = start(*arguments, environ=environ, stdin=subprocess.PIPE)
    try:
        stdout, stderr = process.communicate(stdin, PATIENCE)
    finally:
        process.kill()
    return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)


def invoke(*arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """The command within this process, which starts faster; for what needs no terminal, pipe or signal."""
    hidden: dict[str, str | None] = dict.fromkeys(set(os.environ) - set(environment()))
    result = CliRunner().invoke(command_line(), arguments, input=stdin, env=hidden | environ, prog_name="dragoman")
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)


class Service:
    """A running `dragoman serve`."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        assert process.stdout is not None
        self.process = process
        self.log = log
        self.addresses = dict(
            line.strip().split(" ") for line in (process.stdout.readline(), process.stdout.readline())
        )

    @property
    def target(self) -> str:
        return self.addresses["grpc"]

    def ask(self, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """A client command within this process that talks to this service."""
        return invoke(*arguments, stdin=stdin, DRAGOMAN_TARGET=self.target, **environ)

    def logged(self, **fields: str) -> bool:
        """Whether a record of the log has all these fields."""
        whole = self.log.read_text().rpartition("\n")[0]
        return any(fields.items() <= json.loads(line).items() for line in whole.splitlines())


@contextmanager
def serving(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[Service]:
    """A service with its data in `folder`, until the context is left."""
    log = folder / "service.log"
    with log.open("wb") as stderr:
        process = start("serve", *ANYWHERE, "--data-dir", str(folder), *arguments, environ=environ, stderr=stderr)
    try:
        yield Service(process, log)
    finally:
        process.kill()
        process.communicate()
