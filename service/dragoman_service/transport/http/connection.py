"""One connection of the HTTP listener: a time limit for request heads, and the server name on every response."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

NAME = "dragoman"
HEAD_TIMEOUT = 10.0  # seconds from the first byte of a request head to the last
_TIMED_OUT = (
    f"HTTP/1.1 408 Request Timeout\r\nserver: {NAME}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode()
)

# aiohttp has no public way to any of this: `RequestHandler._waiter`, `RequestHandler.finish_response`,
# `AppRunner._make_server` and `Server._kwargs` are its own. tests/transport/test_aiohttp_internals.py pins what each
# does in the version that we rely on.


class Connection(web.RequestHandler):
    """aiohttp's connection with a limit on the time that a request head may take: without it a client that never
    finishes a head keeps the connection open, because aiohttp limits only the time between requests."""

    __slots__ = ("_head_timeout", "_head_timer")

    def __init__(self, *args: Any, head_timeout: float, **more: Any) -> None:
        super().__init__(*args, **more)
        self._head_timeout = head_timeout
        self._head_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waiting = self._waiter is not None and not self._waiter.done()  # else a request is being served
        if not waiting:
            self._stop_timer()
        elif self._head_timer is None and data.strip():  # some clients send an empty line after a body
            self._head_timer = self._loop.call_later(self._head_timeout, self._time_out)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if not resp.prepared:
            resp.headers.setdefault("server", NAME)
        return await super().finish_response(request, resp, start_time)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _time_out(self) -> None:
        if self.transport is not None:
            self.transport.write(_TIMED_OUT)
        self.force_close()


class Runner(web.AppRunner):
    """Serves an application over such connections. `head_timeout` is in seconds."""

    __slots__ = ("_head_timeout",)

    def __init__(self, app: web.Application, *, head_timeout: float = HEAD_TIMEOUT, **more: Any) -> None:
        super().__init__(app, **more)
        self._head_timeout = head_timeout

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            head_timeout=self._head_timeout,
            **made._kwargs,  # noqa: SLF001 - the options of the connections, which only the server has
        )


class _Server(web.Server):
    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)
