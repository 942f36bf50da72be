"""One connection of the HTTP listener: time limits for silence and request heads, its place among all connections, and
the server name and our own error page on every response."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from aiohttp import web

from dragoman_service.transport.http.connections import Connections

NAME = "dragoman"
SEND_BUFFER = 128 * 1024  # bytes that the system keeps for a slow reader; by default it grows to megabytes
HEAD_TIMEOUT = 10.0  # seconds from the first byte of a request head to the last, and until the first byte of all
_TIMED_OUT = (
    f"HTTP/1.1 408 Request Timeout\r\nserver: {NAME}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode()
)

_REFUSED = (
    f"HTTP/1.1 503 Service Unavailable\r\nserver: {NAME}\r\nretry-after: 1\r\nconnection: close\r\n"
    "content-length: 0\r\n\r\n"
).encode()
_INVALID = "The request is not valid HTTP. Check its request line and headers."
_FAILED = "The service failed. Try again later, and report it with the time of the request."

# aiohttp has no public way to any of this: `_waiter`, `_current_request`, `finish_response` and `handle_error` of
# `RequestHandler`, `AppRunner._make_server` and `Server._kwargs` are its own. tests/transport/test_aiohttp_internals.py
# pins what each does in the version that we rely on.


class Connection(web.RequestHandler):
    """aiohttp's connection with a limit on the time that a request head may take: without it a client that never
    finishes a head keeps the connection open, because aiohttp limits only the time between requests.

    A connection that has sent nothing is closed after the same time; between requests it may be silent for longer."""

    __slots__ = ("_connections", "_head_timeout", "_head_timer", "_silent")

    def __init__(self, *args: Any, head_timeout: float, connections: Connections, **more: Any) -> None:
        super().__init__(*args, **more)
        self._head_timeout = head_timeout
        self._connections = connections
        self._silent = True
        self._head_timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> bool:
        """No request is being served."""
        return self._current_request is None

    @property
    def reserved(self) -> bool:
        """Only probes may be served, because there are too many connections."""
        return self._connections.is_reserved(self)

    def evict(self) -> None:
        """Closes the connection at once."""
        self.force_close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._head_timer = self._loop.call_later(self._head_timeout, self._time_out)
        if not self._connections.admit(self):
            self._stop_timer()
            if self.transport is not None:
                self.transport.write(_REFUSED)
            self.force_close()

    def data_received(self, data: bytes) -> None:
        if self._silent:
            self._stop_timer()
            self._silent = False
        self._connections.touch(self)
        super().data_received(data)
        waiting = self._waiter is not None and not self._waiter.done()  # else a request is being served
        if not waiting:
            self._stop_timer()
        elif self._head_timer is None and data.strip():  # some clients send an empty line after a body
            self._head_timer = self._loop.call_later(self._head_timeout, self._time_out)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        self._connections.remove(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers without the parser's message, which quotes the request."""
        super().handle_error(request, status, exc, message)
        name, text = ("INTERNAL", _FAILED) if status >= 500 else ("INVALID_ARGUMENT", _INVALID)
        response = web.json_response({"error": {"code": status, "status": name, "message": text}}, status=status)
        response.force_close()
        return response

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
        if self.transport is not None and not self._silent:  # a browser's spare connection expects no response
            self.transport.write(_TIMED_OUT)
        self.force_close()


class Runner(web.AppRunner):
    """Serves an application over `limit` such connections at most. `head_timeout` is in seconds."""

    __slots__ = ("_connections", "_head_timeout")

    def __init__(self, app: web.Application, limit: int, *, head_timeout: float = HEAD_TIMEOUT, **more: Any) -> None:
        super().__init__(app, **more)
        self._connections = Connections(limit)
        self._head_timeout = head_timeout

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            head_timeout=self._head_timeout,
            connections=self._connections,
            **made._kwargs,  # noqa: SLF001 - the options of the connections, which only the server has
        )


class _Server(web.Server):
    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)
