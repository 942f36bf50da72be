"""One connection: bytes to events and back, and the calls on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

import dragoman_http2 as http2
import grpc
from dragoman_http2 import CLOSED, DATA, PONG, REQUEST, RESET, TRAILERS, WRITABLE

from dragoman_service.transport.native.call import Call
from dragoman_service.transport.native.context import HEADERS
from dragoman_service.transport.native.lanes import Lanes
from dragoman_service.transport.native.lifetime import Lifetime
from dragoman_service.transport.native.metadata import Field, status_fields
from dragoman_service.transport.native.options import Options
from dragoman_service.transport.native.requests import Head, Heads, RefusedError

BLOCK = 64 * 1024  # bytes that are taken from the session at a time
LINGER = 2.0  # seconds in which a closed connection sends what it has
TICK = 0.05  # seconds between two times that the session is told
log = logging.getLogger(__name__)


class Service(NamedTuple):
    """What all connections of a server share. `find` looks a handler up; `lanes` begins calls."""

    options: Options
    find: Callable[[Head], Any]
    lanes: Lanes
    opened: Callable[[Connection], bool]
    """Tells whether there is room for it."""
    closed: Callable[[Connection], object]
    ending: set[asyncio.Task[None]]
    """Of calls that are over."""


class Connection(asyncio.Protocol):
    """A connection of a caller. Everything that one turn of the loop has to send is sent in one write."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._service, self.loop, self.options = service, loop, service.options
        self.peer = ""
        self.session: http2.Session
        self._heads = Heads()
        self.calls: dict[int, Call] = {}
        self.transport: Any = None
        self._waking = self._paused = self._closing = False
        self._ticked = 0.0
        self.lifetime: Lifetime

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.peer = _peer(transport)
        options = self.options
        self.session = http2.Session(
            max_streams=options.max_streams,
            max_header_list=options.max_metadata,
            stream_window=options.stream_window,
            connection_window=options.connection_window,
            high_water=options.high_water,
            low_water=options.low_water,
        )
        self._ticked = self.loop.time()
        self.lifetime = Lifetime(self, options)
        if not self._service.opened(self):
            self.transport.abort()
            return
        self.wake()

    def data_received(self, data: bytes) -> None:
        now = self.lifetime.heard = self.loop.time()
        session = self.session
        if now - self._ticked > TICK:
            session.tick(now - self._ticked)
            self._ticked = now
        try:
            events = session.receive(data)
        except http2.SessionError as error:
            log.info("A connection is closed: %s", error)
            self.close()
            return
        if events:
            self._dispatch(events)
        self.wake()

    def eof_received(self) -> None:
        """Closes the connection, because no answer can matter to whoever has gone."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self.lifetime.stop()
        for call in tuple(self.calls.values()):
            call.close(lost=True)
        self.calls.clear()
        self._service.closed(self)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.wake()

    def wake(self) -> None:
        """Sends what the session has to send, once in this turn of the loop."""
        if not self._waking and not self._paused:
            self._waking = True
            self.loop.call_soon(self._flush)

    def report(self, error: Exception) -> None:
        """Logs what a handler has raised."""
        log.error("A handler has failed.", exc_info=error)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Keeps the task of a call that is over until it has ended too; the loop itself would forget it."""
        ending = self._service.ending
        ending.add(task)
        task.add_done_callback(ending.discard)

    def close(self) -> None:
        """Sends what is to be sent, as far as it can be, and closes the connection."""
        if not self._closing:
            self.push()
            self._closing = True
            self.transport.close()
            self.loop.call_later(LINGER, self.transport.abort)

    def abort(self) -> None:
        """Closes the connection although not all was sent, because the peer reads nothing."""
        self._closing = True
        self.transport.abort()

    def _flush(self) -> None:
        self._waking = False
        if self._closing:
            return
        self.push()
        if self.session.finished and not self._paused:
            self.close()

    def push(self) -> None:
        """Sends what the session has to send, as far as the peer takes it."""
        session, transport = self.session, self.transport
        while not self._paused and (data := session.take(BLOCK)):
            transport.write(data)
            if len(data) < BLOCK:
                break
        if events := session.events():
            self._dispatch(events)

    def _dispatch(self, events: list[tuple[Any, ...]]) -> None:
        calls = self.calls
        for event in events:
            kind, stream = event[0], event[1]
            if kind == REQUEST:
                self._begin(stream, event[2], event[3])
            elif kind == DATA:
                if (call := calls.get(stream)) is not None:
                    call.receive(event[2], event[3])
                elif event[2]:
                    self.session.consume(stream, len(event[2]))
            elif kind in (CLOSED, RESET):
                if (call := calls.pop(stream, None)) is not None:
                    call.close(lost=kind == RESET)
                    if not calls:
                        self.lifetime.idle()
            elif kind == WRITABLE:
                if (call := calls.get(stream)) is not None:
                    call.writable()
            elif kind == TRAILERS:
                if (call := calls.get(stream)) is not None:
                    call.receive(b"", True)
            elif kind == PONG:
                self.lifetime.pong(event[2])

    def _begin(self, stream: int, fields: list[Field], ended: bool) -> None:
        service, lanes = self._service, self._service.lanes
        path = b""
        for name, value in fields:
            if name == b":path":
                path = value
                break
        if (refusal := lanes.refusal(path, self.lifetime.heard)) is not None:
            self.session.fail(stream, refusal)
            return
        try:
            head = self._heads.read(fields)
            handler = service.find(head)
        except RefusedError as refused:
            self._refuse(stream, refused)
            return
        except Exception as error:  # noqa: BLE001 - whatever a generic handler raises
            self.report(error)
            self._refuse(stream, RefusedError("The method cannot be looked up.", grpc.StatusCode.UNKNOWN))
            return
        call = self.calls[stream] = Call(self, stream, head, handler, ended)
        lanes.add(call, path, self.loop)

    def _refuse(self, stream: int, refused: RefusedError) -> None:
        head = HEADERS if refused.http == 200 else [(b":status", str(refused.http).encode()), HEADERS[1]]
        self.session.fail(stream, [*head, *status_fields(refused.code.value[0], refused.message)])


def _peer(transport: asyncio.BaseTransport) -> str:
    """The address of a peer as gRPC writes it."""
    address = transport.get_extra_info("peername")
    if not isinstance(address, tuple):
        return f"unix:{address or ''}"
    host, port = address[:2]
    return f"ipv6:{quote(f'[{host}]')}:{port}" if ":" in host else f"ipv4:{host}:{port}"
