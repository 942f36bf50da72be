"""A started `dragoman serve --workers 2`, as the tests see it: its workers, its log, its metrics."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
from waiting import until

PATIENCE = 20.0  # seconds
ECHO = '[providers.echo]\ndelay = "20ms"\n'


class Supervised:
    """The running command."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, temporary: Path) -> None:
        self.process, self._log, self.temporary = process, log, temporary
        self.grpc = self.http = ""

    async def announced(self) -> None:
        """Returns once it has written both addresses, and its log that both workers serve."""
        assert self.process.stdout is not None
        for _ in range(2):
            name, address = (await self.process.stdout.readline()).decode().split()
            setattr(self, name, address)
        await until(lambda: len(self.workers) == 2)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The records of an event so far."""
        whole = self._log.read_text().rpartition("\n")[0]
        return [record for record in map(json.loads, whole.splitlines()) if record["event"] == event]

    @property
    def said(self) -> str:
        """All that it wrote on stderr."""
        return self._log.read_text()

    @property
    def workers(self) -> dict[int, int]:
        """The process id of the newest process of each worker."""
        return {record["worker"]: record["pid"] for record in self.logged("worker.started")}

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def page(self, path: str) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.http}{path}") as answer:
            assert answer.status == 200
            return await answer.text()

    async def measured(self, name: str, label: str = "") -> float:
        """The sum of a metric over its series that have `label`."""
        page = await self.page("/metrics")
        series = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", page, re.MULTILINE)
        return sum(float(value) for labels, value in series if label in labels)

    @asynccontextmanager
    async def channels(self, count: int) -> AsyncIterator[list[grpc.aio.Channel]]:
        """Channels that each have a connection of their own."""
        alone = [("grpc.use_local_subchannel_pool", 1)]
        async with AsyncExitStack() as stack:
            channels = [grpc.aio.insecure_channel(self.grpc, alone) for _ in range(count)]
            yield [await stack.enter_async_context(channel) for channel in channels]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid: int) -> dict[int, str]:
    """The running processes that a process has started, with their command lines."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@asynccontextmanager
async def supervised(folder: Path, settings: str = ECHO, server: str = "") -> AsyncIterator[Supervised]:
    """The command, started; with two workers and ports that the system chooses unless `server` says otherwise."""
    table = {"grpc": '"127.0.0.1:0"', "http": '"127.0.0.1:0"', "drain_delay": '"0s"', "grace": '"10s"'}
    table |= dict(line.split(" = ") for line in server.splitlines())
    file, temporary = folder / "dragoman.toml", folder / "temporary"
    temporary.mkdir(exist_ok=True)
    lines = "\n".join(f"{key} = {value}" for key, value in table.items())
    file.write_text(f'[server]\ndata_dir = "data"\n{lines}\n[operations]\nlease = "1s"\n{settings}')
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dragoman_service", "serve", "--workers", "2", "--config", str(file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
    started = Supervised(process, folder / "log", temporary)
    family = set[int]()
    try:
        yield started
        family = set(children(process.pid))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await until(lambda: not any(map(alive, family)))
