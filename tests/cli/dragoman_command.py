"""Runs the command `dragoman` as a shell would, and starts services with it."""

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

TIMEOUT = 30.0  # seconds
ANYWHERE = ("--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0")
CACHE = "DRAGOMAN_CACHE_DIR"

# A shell's background processes ignore SIGINT, and so do their children: the command has to restore it. A `preexec_fn`
# would do that too, but it makes Popen fork, and a fork of a process in which gRPC is active may abort.
RESTORE_INTERRUPTS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-m", "dragoman_service", *sys.argv[1:]])
"""


def environment(**more: str) -> dict[str, str]:
    """This environment without the variables of `dragoman`, except the one for the weights."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_") or name == CACHE
    } | more


def start(
    *arguments: str, environ: Mapping[str, str] | None = None, **streams: int | IO[bytes]
) -> subprocess.Popen[str]:
    """Starts the command as a process; stdout and stderr are pipes unless `streams` says otherwise."""
    return subprocess.Popen(
        [sys.executable, "-c", RESTORE_INTERRUPTS, *arguments],
        env=environment(**(environ or {})),
        text=True,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},  # type: ignore[call-overload]
    )


def run(*arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as a process, to its end."""
    process = start(*arguments, environ=environ, stdin=subprocess.PIPE)
    try:
        stdout, stderr = process.communicate(stdin, TIMEOUT)
    finally:
        process.kill()
    return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)


def invoke(*arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in this process, which is faster; for tests without a terminal, pipe or signal."""
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
        """Runs a client command, in this process, against this service."""
        return invoke(*arguments, stdin=stdin, DRAGOMAN_TARGET=self.target, **environ)

    def logged(self, **fields: str) -> bool:
        """Whether a record of the log has all of these fields."""
        complete = self.log.read_text().rpartition("\n")[0]
        return any(fields.items() <= json.loads(line).items() for line in complete.splitlines())


@contextmanager
def serving(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Runs a service in the context, with its data in `folder`."""
    log = folder / "service.log"
    with log.open("wb") as stderr:
        process = start("serve", *ANYWHERE, "--data-dir", str(folder), *arguments, environ=environ, stderr=stderr)
    try:
        yield Service(process, log)
    finally:
        process.kill()
        process.communicate()
