"""Runs `dragoman serve` with a plugin that will not end, or that never opens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from waiting import until

METADATA = "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n"
ENTRY = "[dragoman.providers]\nacme = acme_mod:open_acme\n"
PLUGIN = """
import asyncio, os, signal, sqlite3, threading, time
from contextlib import asynccontextmanager

class Acme:
    def models(self):
        return []

async def swallow():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

async def block(function, *arguments):
    while not os.path.exists({flag!r}):
        await asyncio.sleep(0.05)
    os.unlink({flag!r})
    function(*arguments)

@asynccontextmanager
async def open_acme(settings: dict):
    {body}
    yield Acme()
"""


def write_plugin(site: Path, body: str) -> None:
    """Installs a provider `acme` below `site`; `body` runs when it is opened."""
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY)
    (site / "acme_mod.py").write_text(PLUGIN.format(body=body, flag=str(site / "block")))


class Stubborn:
    """The running command."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process, self._log = process, log

    async def block(self) -> None:
        """Lets the plugin's call of `block` begin."""
        flag = self._log.parent / "site" / "block"
        flag.touch()
        await until(lambda: not flag.exists())
        await asyncio.sleep(0.1)

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    async def exit_code(self, seconds: float = 20) -> int:
        """Waits for its end."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def wait_until_serving(self) -> None:
        assert self.process.stdout is not None
        await self.process.stdout.readline()

    @property
    def stderr(self) -> str:
        return self._log.read_text()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log records of an event."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("{")]
        return [record for record in map(json.loads, lines) if record["event"] == event]


@asynccontextmanager
async def stubborn(
    folder: Path, body: str = "pass", *, grace: str = "100ms", workers: int = 1
) -> AsyncIterator[Stubborn]:
    """Starts the command in a session of its own, without a terminal."""
    write_plugin(folder / "site", body)
    (folder / "dragoman.toml").write_text(
        f'[server]\ngrpc = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\ndata_dir = "data"\nworkers = {workers}\n'
        f'grace = "{grace}"\ndrain_delay = "0s"\n[providers.echo]\n[providers.acme]\n[plugins]\nopen_timeout = "60s"\n'
    )
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dragoman_service", "serve", "--config", str(folder / "dragoman.toml")),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(folder / "site")},
            start_new_session=True,
        )
    try:
        yield Stubborn(process, folder / "log")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
