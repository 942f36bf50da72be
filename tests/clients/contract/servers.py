"""Starts the servers of the contract suite, writes FOLDER/servers.json, prints "ready", and stops when stdin closes.

    .venv/bin/python tests/clients/contract/servers.py build/contract

README.md beside this file describes what servers.json holds.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path += map(str, (TESTS, TESTS / "process", TESTS / "faults", TESTS / "seeds"))

from control import Control, controlling
from proxy import proxy_to
from supervised import supervised
from tls_server import serving_tls

PAGES = "".join(f"[providers.page_{number:03}]\nplugin = 'echo'\n" for number in range(120))
PROVIDERS = """
[routing]
max_attempts = 1  # so that each client sees each failure
breaker = false
[providers.echo]
[providers.breaking]
plugin = "echo"
delay = "20ms"
fail_after = 3
fail_reason = "PROVIDER_STREAM_BROKEN"
[providers.overloaded]
plugin = "echo"
fail_after = 0
fail_code = "RESOURCE_EXHAUSTED"
fail_reason = "PROVIDER_RATE_LIMITED"
fail_retry_after = "2s"
[providers.silent]
plugin = "echo"
first_delay = "60s"
[providers.slow]
plugin = "echo"
delay = "100ms"
[providers.filtered]
plugin = "echo"
filters = ["house"]
[filters.house]
plugin = "patterns"
[filters.house.categories.weapons]
words = ["plutonium"]
on = "answer"
"""
LISTENER = '[server]\ngrpc = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\ndata_dir = "data"\ndrain_delay = "0s"\n'
OPEN = "[access]\nopen_metrics = true\n"


@asynccontextmanager
async def serving(folder: Path, settings: str) -> AsyncIterator[dict[str, str]]:
    """The addresses of a service of one process, until the context ends."""
    file = written(folder, settings)
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dragoman_service", "serve", "--config", str(file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        lines = [(await process.stdout.readline()).decode().split() for _ in range(2)]
        if not all(lines):
            raise RuntimeError((folder / "log").read_text())
        yield dict(lines)
    finally:
        process.terminate()
        await process.wait()


def written(folder: Path, settings: str) -> Path:
    """The settings as a file in a new folder."""
    folder.mkdir()
    file = folder / "dragoman.toml"
    file.write_text(LISTENER + settings)
    return file


@asynccontextmanager
async def contract_servers(folder: Path) -> AsyncIterator[dict[str, object]]:
    """What servers.json holds, until the context ends."""
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(serving(folder / "plain", OPEN + PROVIDERS + PAGES))
        (folder / "tls").mkdir()
        settings = LISTENER + OPEN + PROVIDERS
        tls = stack.enter_context(serving_tls(folder / "tls", "", settings))
        (folder / "workers").mkdir()
        workers = await stack.enter_async_context(supervised(folder / "workers", OPEN + PROVIDERS))
        await workers.wait_until_serving()
        proxy = await stack.enter_async_context(proxy_to(int(workers.grpc.rpartition(":")[2])))
        control = Control([plain["http"], workers.http], folder / "workers/data", proxy)
        nowhere = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        nowhere_port = nowhere.getsockname()[1]
        nowhere.close()
        yield {
            "plain": {"target": plain["grpc"]},
            "tls": {"target": tls.server.grpc, "ca": str(tls.authority), "key": tls.server.key},
            "workers": {"target": workers.grpc},
            "proxy": {"target": f"127.0.0.1:{proxy.port}"},
            "nowhere": {"target": f"127.0.0.1:{nowhere_port}"},
            "control": await stack.enter_async_context(controlling(control)),
        }


async def main(folder: Path) -> None:
    async with contract_servers(folder) as servers:
        (folder / "servers.json").write_text(json.dumps(servers, indent=2))
        print("ready", flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True)
    asyncio.run(main(target))
