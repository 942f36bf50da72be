"""A PgBouncer in front of the tests' PostgreSQL server, on a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from postgres_server import OWNER, PostgresServer
from waiting import blocking_until

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
MISSING = "PgBouncer is missing (Debian: apt-get install pgbouncer)"
# The pooler ends when the other end of its standard input is closed, however its holder ends.
_GUARD = '"$@" & read -r _; kill -KILL $!; wait $!'


class Pooler:
    """`start` and `stop` it any number of times, then `close` it."""

    def __init__(self, server: PostgresServer, mode: str, extra: str = "") -> None:
        assert PROGRAM is not None
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        self._settings = server.folder / f"pgbouncer-{self.port}.ini"
        self._settings.write_text(
            f"[databases]\n* = host={server.folder} user={OWNER}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nauth_type = any\npool_mode = {mode}\n"
            f"server_login_retry = 1\nunix_socket_dir =\n{extra}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Returns when it accepts connections."""
        user = {"user": "nobody"} if os.geteuid() == 0 else {}
        command = ["sh", "-c", _GUARD, "sh", PROGRAM, "-q", self._settings]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/", **user)
        blocking_until(self._answers)

    def stop(self) -> None:
        """Ends it at once, as a crash would."""
        if self._process is not None:
            self._process.communicate(timeout=20)
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def pooler(server: PostgresServer, mode: str, extra: str = "") -> Iterator[Pooler]:
    """A running PgBouncer in a pool mode. `extra`: further lines of its settings."""
    if PROGRAM is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    running = Pooler(server, mode, extra)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def version() -> tuple[int, int]:
    """The major and the minor version of the program."""
    told = subprocess.run([PROGRAM or "pgbouncer", "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = told.split()[1].split(".")[:2]
    return int(major), int(minor)
