"""Runs `dragoman serve --workers N` for tests, with its workers, log and metrics at hand."""

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

TIMEOUT = 20.0  # seconds
ECHO = '[providers.echo]\ndelay = "20ms"\n'


class Supervised:
    """The running command."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, temporary: Path, count: int = 2) -> None:
        self.process, self._log, self.temporary, self._count = process, log, temporary, count
        self.grpc = self.http = ""

    async def wait_until_serving(self) -> None:
        """Returns once it has written both addresses and logged that all workers serve."""
        assert self.process.stdout is not None
        for _ in range(2):
            name, address = (await self.process.stdout.readline()).decode().split()
            setattr(self, name, address)
        await until(lambda: len(self.logged("serving")) >= self._count)
        if self._count > 1:  # a single process is no worker; of others the supervisor may know a moment later
            await until(lambda: len(self.workers) >= self._count)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log records of an event so far."""
        complete = self._log.read_text().rpartition("\n")[0]
        return [record for record in map(json.loads, complete.splitlines()) if record["event"] == event]

    @property
    def stderr(self) -> str:
        """Everything that it wrote to stderr."""
        return self._log.read_text()

    @property
    def workers(self) -> dict[int, int]:
        """The process id of the newest process of each worker."""
        return {record["worker"]: record["pid"] for record in self.logged("worker.started")}

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    async def exit_code(self) -> int:
        """Waits for its end."""
        async with asyncio.timeout(TIMEOUT):
            return await self.process.wait()

    async def page(self, path: str) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.http}{path}") as answer:
            assert answer.status == 200
            return await answer.text()

    async def measured(self, name: str, label: str = "") -> float:
        """The sum of a metric over its series whose labels contain `label`."""
        page = await self.page("/metrics")
        series = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", page, re.MULTILINE)
        return sum(float(value) for labels, value in series if label in labels)

    @asynccontextmanager
    async def channels(self, count: int) -> AsyncIterator[list[grpc.aio.Channel]]:
        """Channels, each with a connection of its own."""
        alone = [("grpc.use_local_subchannel_pool", 1)]
        async with AsyncExitStack() as stack:
            channels = [grpc.aio.insecure_channel(self.grpc, alone) for _ in range(count)]
            yield [await stack.enter_async_context(channel) for channel in channels]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second if it ends between open() and read()
        return False


def children(pid: int) -> dict[int, str]:
    """The running children of a process: process id → command line."""
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
async def supervised(
    folder: Path, settings: str = ECHO, server: str = "", *, workers: int = 2, lease: str = "1s"
) -> AsyncIterator[Supervised]:
    """Starts the command with so many workers. `server` holds more lines for the table of that name."""
    table = {"grpc": '"127.0.0.1:0"', "http": '"127.0.0.1:0"', "drain_delay": '"0s"', "grace": '"10s"'}
    table |= dict(line.split(" = ") for line in server.splitlines())
    file, temporary = folder / "dragoman.toml", folder / "temporary"
    temporary.mkdir(exist_ok=True)
    lines = "\n".join(f"{key} = {value}" for key, value in table.items())
    file.write_text(f'[server]\ndata_dir = "data"\n{lines}\n[operations]\nlease = "{lease}"\n{settings}')
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dragoman_service", "serve", "--workers", str(workers), "--config", str(file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
    started = Supervised(process, folder / "log", temporary, workers)
    family = set[int]()
    try:
        yield started
        family = set(children(process.pid))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await until(lambda: not any(map(alive, family)))
