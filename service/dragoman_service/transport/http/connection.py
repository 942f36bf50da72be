"""One connection of the HTTP listener: its requests one after the other, time limits for silence and request heads, and
its place among all connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import structlog

from dragoman_service.transport.http.connections import Connections
from dragoman_service.transport.http.http1.answer import head_of
from dragoman_service.transport.http.http1.arrivals import Arrivals
from dragoman_service.transport.http.http1.parser import BadRequestError
from dragoman_service.transport.http.http1.request import Request
from dragoman_service.transport.http.http1.response import Response, json_response

NAME = "dragoman"
SEND_BUFFER = 128 * 1024  # bytes that the system keeps for a slow reader; by default it grows to megabytes
HEAD_TIMEOUT = 10.0  # seconds from the first byte of a request head to the last, and until the first byte of all
KEEPALIVE = 620.0  # seconds that an idle connection stays open: longer than the proxies in front of it keep theirs
LINGER = 10.0  # seconds in which the rest of a body that nobody reads may come, before the connection is closed
_CLOSING = [f"server: {NAME}", "connection: close", "content-length: 0"]
_TIMED_OUT = head_of(["HTTP/1.1 408 Request Timeout", *_CLOSING])
_REFUSED = head_of(["HTTP/1.1 503 Service Unavailable", "retry-after: 1", *_CLOSING])
_INVALID = "The request is not valid HTTP. Check its request line and headers."
_FAILED = "The service failed. Try again later, and report it with the time of the request."
log = structlog.get_logger(__name__)

Serve = Callable[[Request], Awaitable[Response | None]]
"""Returns the response, or None if it has been sent."""


@dataclass(slots=True)
class Serving:
    """What the connections of one listener have in common. `head_timeout` is in seconds."""

    serve: Serve
    connections: Connections
    head_timeout: float = HEAD_TIMEOUT
    open: set[Connection] = field(default_factory=set)


class Connection(asyncio.Protocol):
    """Serves one request at a time, in the order in which they came.

    A caller who leaves ends the call: its task is cancelled as soon as the connection is lost. A connection that has
    sent nothing is closed after the time for a head; between requests it may be silent for longer.
    """

    __slots__ = (
        *("_arrivals", "_drained", "_due", "_loop", "_paused", "_request", "_serving", "_stopping", "_task", "_timer"),
        *("_timing_head", "transport"),
    )

    def __init__(self, serving: Serving) -> None:
        self._loop = asyncio.get_running_loop()
        self._serving = serving
        self._arrivals = Arrivals(self)
        self._request: Request | None = None  # that is served, or whose body is dropped
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # when the connection is closed, by the loop's clock; 0: never
        self._timing_head = False
        self._drained: asyncio.Future[None] | None = None  # while nothing more can be written
        self._paused = self._stopping = False
        self.transport: asyncio.Transport | None = None

    @property
    def waiting(self) -> bool:
        """No request is being served."""
        return self._request is None

    @property
    def reserved(self) -> bool:
        """Only probes may be served, because there are too many connections."""
        return self._serving.connections.is_reserved(self)

    def evict(self) -> None:
        """Closes the connection, once what was written has left."""
        self._stopping = True
        if self.transport is not None:
            self.transport.close()

    async def stop(self, grace: float) -> None:
        """Closes the connection. A call may go on for `grace` seconds, and then has as many to end."""
        self._stopping = True
        if (task := self._task) is not None:
            await asyncio.wait({task}, timeout=grace)
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=grace)
        self.evict()

    def write(self, data: bytes) -> None:
        """Raises ConnectionResetError if the caller is gone."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("the caller is gone")
        self.transport.write(data)

    async def drain(self) -> None:
        """Waits until more can be written. Raises ConnectionResetError if the caller is gone."""
        if self.transport is None:
            raise ConnectionResetError("the caller is gone")
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def regulate(self) -> None:
        """Reads on, unless more has come than is being used."""
        full = self._arrivals.full
        if full is not self._paused and self.transport is not None and not self.transport.is_closing():
            self._paused = full
            (self.transport.pause_reading if full else self.transport.resume_reading)()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._serving.open.add(self)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            with suppress(OSError):  # the caller may be gone already
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._close_in(self._serving.head_timeout)
        if not self._serving.connections.admit(self):
            self.write(_REFUSED)
            self.evict()

    def data_received(self, data: bytes) -> None:
        self._serving.connections.touch(self)
        if not self._stopping:
            self._feed(data)
            self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport, self._due = None, 0.0
        if self._timer is not None:
            self._timer.cancel()
        self._serving.open.discard(self)
        self._serving.connections.remove(self)
        self._arrivals.close()
        self.resume_writing()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def _feed(self, data: bytes) -> None:
        try:
            self._arrivals.feed(data)
        except BadRequestError as fault:
            log.info("http.malformed", error=str(fault))

    def _advance(self) -> None:
        """Goes on with what has come."""
        if self._request is None:
            self._request = request = self._arrivals.take()
            if request is not None:
                self._due, self._timing_head = 0.0, False
                self._task = self._loop.create_task(self._handle(request))
            elif self._arrivals.fault is not None:
                self._tell(400, "INVALID_ARGUMENT", _INVALID)
            elif self._arrivals.begun and not self._timing_head:
                self._timing_head = True
                self._close_in(self._serving.head_timeout)
        elif self._task is None and self._request.body.complete:
            self._finish(self._request)
        self.regulate()

    async def _handle(self, request: Request) -> None:
        try:
            response = await self._serving.serve(request)
            if response is not None:
                _send(request, response)
        except ConnectionError:
            self.evict()
        except asyncio.CancelledError:
            self.evict()
            raise
        except Exception:
            log.exception("http.failed")
            if request.answer is None:
                self._tell(500, "INTERNAL", _FAILED)
        finally:
            self._task = None
            self._finish(request)

    def _finish(self, request: Request) -> None:
        """The request has been served, or the rest of its body has come."""
        answer = request.answer
        if self.transport is None or self.transport.is_closing():
            self._request = None
        elif answer is None or not answer.ended:
            self.transport.abort()
        elif not request.body.complete and not request.body.expects:
            request.body.drop()
            self._close_in(LINGER)
        elif not answer.keep or self._stopping or (self._arrivals.over and self._arrivals.fault is None):
            self.evict()
        else:
            self._request = None
            self._close_in(KEEPALIVE)
            self._feed(b"")
            self._advance()

    def _tell(self, status: int, name: str, message: str) -> None:
        """Sends an error that quotes nothing of the request, and closes the connection."""
        response = json_response({"error": {"code": status, "status": name, "message": message}}, status)
        lines = [f"{key}: {value}" for key, value in {"server": NAME, **response.headers}.items()]
        lines += [f"content-length: {len(response.body)}", "connection: close"]
        with suppress(ConnectionError):
            self.write(head_of([f"HTTP/1.1 {status} {_PHRASES[status]}", *lines]) + response.body)
        self.evict()

    def _close_in(self, seconds: float) -> None:
        """Closes the connection then, unless it is put off. Most are, so the timer is started again only when it has
        run down, or for an earlier end."""
        self._due = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._due, self._time_out)

    def _time_out(self) -> None:
        self._timer = None
        if not self._due:
            return
        if self._loop.time() < self._due - 0.001:
            self._timer = self._loop.call_at(self._due, self._time_out)
            return
        if self._timing_head:  # a browser's spare connection expects no response
            with suppress(ConnectionError):
                self.write(_TIMED_OUT)
        self.evict()


_PHRASES = {400: "Bad Request", 500: "Internal Server Error"}


def _send(request: Request, response: Response) -> None:
    headers = {"server": NAME, **response.headers}
    answer = request.respond(response.status, headers, len(response.body), closes=response.closes)
    answer.write(response.body)
    answer.end()
