"""Starts Envoy as docs/browsers.md configures it, in front of a service, and a server of pages for a browser."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientError, ClientSession, web

ROOT = Path(__file__).resolve().parents[3]
GUIDE = ROOT / "docs" / "browsers.md"
SETTINGS = '[server]\ngrpc = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\ndata_dir = "data"\n[providers.echo]\n'
ADMIN = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}"
PAGE = '<!doctype html><title>Dragoman</title><body><script type="module" src="/page.js"></script>'


@asynccontextmanager
async def running(*command: str | Path, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process with its output as a pipe and its log in a file, until the context ends."""
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=log, cwd=folder)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def service(folder: Path) -> AsyncIterator[str]:
    """The gRPC port of a service with the provider echo."""
    (folder / "dragoman.toml").write_text(SETTINGS)
    command = (sys.executable, "-m", "dragoman_service", "serve", "--config", "dragoman.toml")
    async with running(*command, folder=folder) as process:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip().rpartition(":")[2]


@asynccontextmanager
async def envoy(folder: Path, upstream: str, origin: str) -> AsyncIterator[str]:
    """The base URL of Envoy. `upstream` is the port of the service, `origin` that of the pages that may call it."""
    found = re.search(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    settings = found[1]
    for old, new in (("50051", upstream), ("8081", "0"), ("http://127.0.0.1:3000", origin)):
        assert old in settings
        settings = settings.replace(old, new)
    (folder / "envoy.yaml").write_text(settings)
    address = folder / "admin"
    options = ("--admin-address-path", address, "--config-yaml", ADMIN, "--disable-hot-restart", "--concurrency", "1")
    command = (ROOT / "build/envoy/bin/envoy", "--config-path", "envoy.yaml", *options)
    async with running(*command, folder=folder) as process, ClientSession() as session:
        listeners: list[str] = []

        async def listens() -> bool:
            assert process.returncode is None, (folder / "envoy.log").read_text()[-4000:]
            if address.exists() and address.read_text():
                try:
                    async with session.get(f"http://{address.read_text()}/listeners") as answer:
                        listeners[:] = re.findall(r"::(\S+)", await answer.text())
                except ClientError:
                    return False
            return bool(listeners)

        async with asyncio.timeout(30):
            while not await listens():
                await asyncio.sleep(0.05)
        yield f"http://{listeners[0]}"


def descriptors(folder: Path) -> None:
    """Writes the schema that the configuration names, as `make dist` builds it."""
    subprocess.run([sys.executable, "scripts/dist.py", "--output", folder, "descriptors"], cwd=ROOT, check=True)
    next(folder.glob("dragoman-*.binpb")).rename(folder / "dragoman.binpb")


@asynccontextmanager
async def pages(script: Path) -> AsyncIterator[tuple[str, asyncio.Future[dict[str, object]]]]:
    """The origin of a page that runs a script, and what the script reports."""
    report: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def code(_: web.Request) -> web.FileResponse:
        return web.FileResponse(script)

    async def receive(request: web.Request) -> web.Response:
        report.set_result(json.loads(await request.text()))
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/page.js", code), web.post("/report", receive)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", report
    finally:
        await runner.cleanup()
