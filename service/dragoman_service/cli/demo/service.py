"""Runs the demo's service: `dragoman serve` as a process, on ports that the system chooses."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_LIMIT = 60.0  # seconds
STOP_LIMIT = 10.0  # seconds
LOG = "service.log"


class ServiceError(Exception):
    """The service did not start. The message is the end of its log."""


@contextmanager
def service(data_dir: Path) -> Iterator[str]:
    """Runs the service in the context; yields the address of its gRPC listener. Raises ServiceError."""
    log = data_dir / LOG
    with log.open("wb") as stderr, _process(data_dir, stderr.fileno()) as process:
        address = _address(process)
        if not address:
            raise ServiceError(_tail(log))
        yield address


@contextmanager
def _process(data_dir: Path, stderr: int) -> Iterator[subprocess.Popen[str]]:
    listen = ("--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data-dir", str(data_dir))
    command = (sys.executable, "-m", "dragoman_service", "serve", *listen)
    process = subprocess.Popen(  # noqa: S603 - our own module
        command,
        env=_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    try:
        yield process
    finally:
        _stop(process)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the settings of another service, so that the demo shows the defaults."""
    kept = {name: value for name, value in environ.items() if not (name.startswith("DRAGOMAN_") and "__" in name)}
    kept.pop("DRAGOMAN_CONFIG", None)
    return kept | {"DRAGOMAN_SERVER__DRAIN_DELAY": "0s", "DRAGOMAN_LOG__FORMAT": "json"}


def _address(process: subprocess.Popen[str]) -> str:
    """The gRPC address that the service announces; empty if it ends first or takes longer than START_LIMIT."""
    overdue = threading.Timer(START_LIMIT, process.kill)
    overdue.start()
    try:
        for line in process.stdout or ():
            name, _, address = line.strip().partition(" ")
            if name == "grpc":
                return address
    finally:
        overdue.cancel()
    return ""


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _tail(log: Path, lines: int = 10) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
