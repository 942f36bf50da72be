"""What runners ask the servers of the contract suite to do and to tell, over HTTP."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import ClientSession, web
from aiohttp.typedefs import Handler
from supervised import alive
from waiting import until

if TYPE_CHECKING:
    from proxy import Proxy

_NEWEST = "SELECT worker FROM operations WHERE state = 'RUNNING' ORDER BY create_time DESC LIMIT 1"
_INFLIGHT = re.compile(r"^dragoman_inflight{.*} (\S+)$", re.MULTILINE)


class Control:
    """Harms the server of two workers, or its connections, and counts what runs at the servers at `pages`."""

    def __init__(self, pages: list[str], data: Path, proxy: Proxy) -> None:
        self._pages, self._data, self._proxy = pages, data, proxy

    def cut(self) -> None:
        """Ends every connection through the proxy."""
        for writer in self._proxy.writers:
            writer.transport.abort()
        self._proxy.writers.clear()

    async def kill_worker(self) -> None:
        """Kills the worker of the newest operation."""
        await until(lambda: self._worker() is not None)
        pid = self._worker()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not alive(pid))

    async def running(self) -> int:
        """The number of completions that run at providers."""
        async with ClientSession() as session:
            texts = await asyncio.gather(*(_text(session, f"http://{page}/metrics") for page in self._pages))
        return round(sum(float(value) for text in texts for value in _INFLIGHT.findall(text)))

    def _worker(self) -> int | None:
        """The process of the worker that runs the newest operation; None if no operation runs."""
        with closing(sqlite3.connect(f"file:{self._data}/operations.db?mode=ro", uri=True)) as store:
            found = store.execute(_NEWEST).fetchone()
        return int(found[0].rsplit("-", 3)[1]) if found else None


async def _text(session: ClientSession, url: str) -> str:
    async with session.get(url) as answer:
        return await answer.text()


@web.middleware
async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers an exception with its traceback, because the runner puts the answer into the table."""
    try:
        return await handler(request)
    except Exception as error:
        raise web.HTTPInternalServerError(text=traceback.format_exc()) from error


@asynccontextmanager
async def controlling(control: Control) -> AsyncIterator[str]:
    """The base URL of an HTTP server that offers `control`."""

    async def cut(request: web.Request) -> web.Response:
        control.cut()
        return web.Response(text="")

    async def kill_worker(request: web.Request) -> web.Response:
        await control.kill_worker()
        return web.Response(text="")

    async def running(request: web.Request) -> web.Response:
        return web.Response(text=str(await control.running()))

    app = web.Application(middlewares=[told])
    app.router.add_post("/cut", cut)
    app.router.add_post("/kill-worker", kill_worker)
    app.router.add_get("/running", running)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
