"""A PostgreSQL server for the tests: in a temporary folder, reached by a Unix socket, deleted afterwards."""

from __future__ import annotations

import asyncio
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

OWNER = "dragoman"
START_SECONDS = 20.0
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "32MB",
}
# Everybody but the owner needs a password, so that tests can try wrong ones.
_HBA = f"local all {OWNER} trust\nlocal all all scram-sha-256\n"
# The server ends when the other end of its standard input is closed, however its holder ends.
_GUARD = '"$@" & read -r _; kill -QUIT $!; wait $!'
_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid != pg_backend_pid()
"""


class PostgresServer:
    """`start` and `stop` it any number of times, then `close` it."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._numbers = itertools.count()
        # The path of a socket must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="dragoman-postgres-", dir="/tmp"))
        self._data = self.folder / "data"
        self._user = _user()
        if "user" in self._user:
            os.chown(self.folder, self._user["user"], self._user["group"])
        self._lent: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._prepare()

    def url(self, database: str, user: str = OWNER) -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def start(self) -> None:
        """Returns when it accepts connections."""
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        command = [self._programs / "postgres", "-D", self._data, "-k", self.folder, *settings]
        with (self.folder / "log").open("ab") as log:
            guarded, pipe = ["sh", "-c", _GUARD, "sh", *command], subprocess.PIPE
            self._process = subprocess.Popen(guarded, stdin=pipe, stdout=log, stderr=log, cwd="/", **self._user)
        end = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Ends it at once, as a crash would."""
        if self._process is not None:
            self._process.communicate(timeout=START_SECONDS)
            self._process = None

    async def restart(self) -> None:
        """Ends it at once and starts it again."""
        await asyncio.to_thread(self.stop)
        await asyncio.to_thread(self.start)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    async def make_database(self) -> str:
        """A fresh database; returns its name."""
        name = f"test_{next(self._numbers)}"
        await self.run(f"CREATE DATABASE {name}")
        return name

    async def lend_database(self) -> str:
        """The name of an empty database. Databases are used again, because creating one takes a while."""
        return self._lent.pop() if self._lent else await self.make_database()

    async def take_back(self, name: str) -> None:
        """Empties a database that was lent."""
        await self.run(_END_OTHERS, name)
        found = {row["tablename"] for row in await self.run("SELECT tablename FROM pg_tables", name)}
        if kept := found & {"operations", "output_log", "workers"}:
            await self.run(f"TRUNCATE {', '.join(kept)}", name)
        self._lent.append(name)

    async def run(self, sql: str, database: str = "postgres") -> list[Any]:
        connection = await asyncpg.connect(self.url(database))
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()

    def _prepare(self) -> None:
        # A locale that does not sort by bytes, as is common.
        locale = ["--locale=C", "--locale-provider=icu", "--icu-locale=en-US", "--encoding=UTF8"]
        command = [self._programs / "initdb", "-D", self._data, "-U", OWNER, "--no-sync", "--auth=trust", *locale]
        done = subprocess.run(command, capture_output=True, check=False, cwd="/", **self._user)
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr.decode()[-2000:]}")
        (self._data / "pg_hba.conf").write_text(_HBA)

    def _is_ready(self) -> bool:
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
        except (FileNotFoundError, IndexError):
            return False


def find_programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs; None if there are none."""
    folders = [Path(path).resolve().parent for path in [shutil.which("postgres")] if path]
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    for folder in (*folders, *reversed(debian)):
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    return None


@contextmanager
def postgres_server(programs: Path) -> Iterator[PostgresServer]:
    """A running server."""
    server = PostgresServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.close()


def _user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root, so an unprivileged user runs it then."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
