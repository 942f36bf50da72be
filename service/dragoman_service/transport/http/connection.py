"""One connection of the HTTP listener: how long a head may take, and the name that every answer bears."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

NAME = "dragoman"
HEAD = 10.0  # seconds from the first byte of a request's head to its last
_TOO_LATE = f"HTTP/1.1 408 Request Timeout\r\nserver: {NAME}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode()


class Connection(web.RequestHandler):
    """aiohttp's own has no such limit, and bounds only the time in which nothing is asked."""

    __slots__ = ("_late",)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._late: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waiting = self._waiter is not None and not self._waiter.done()  # else the request is being answered
        if not waiting:
            self._in_time()
        elif self._late is None and data.strip():  # some clients send an empty line after a body
            self._late = self._loop.call_later(HEAD, self._refuse)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if not resp.prepared:
            resp.headers.setdefault("server", NAME)
        return await super().finish_response(request, resp, start_time)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self) -> None:
        if self.transport is not None:
            self.transport.write(_TOO_LATE)
        self.force_close()


class Runner(web.AppRunner):
    """Serves an application over such connections."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # noqa: SLF001 - there is no other way to them
        )


class _Server(web.Server):
    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)
