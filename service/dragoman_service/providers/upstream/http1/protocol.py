"""One connection to an upstream: sends a request, and fills the exchange with its response."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Protocol, cast

from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http1.exchange import Exchange
from dragoman_service.providers.upstream.http1.responses import NotHttpError, ResponseParser

_JOINED = 64 * 1024  # bytes of a body up to which it is copied behind its head, to be sent with it


class Owner(Protocol):
    """Who a connection belongs to."""

    def freed(self, connection: Connection) -> None:
        """The connection can carry another request."""
        ...

    def lost(self, connection: Connection) -> None:
        """The connection is closed."""
        ...


class Connection(asyncio.Protocol):
    """Carries one request at a time. `owner` learns when it is free, and when it is closed."""

    __slots__ = ("_exchange", "_owner", "_parser", "_transport", "reused")

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._exchange: Exchange | None = None
        self._parser = ResponseParser()
        self._transport: asyncio.Transport | None = None
        self.reused = False
        """It has carried a request before the current one."""

    @property
    def open(self) -> bool:
        return self._transport is not None

    @property
    def usable(self) -> bool:
        """Nobody has begun to close it."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, head: bytes, body: bytes) -> Exchange:
        """Sends a request. The result fails if the connection is closed, now or later."""
        self._exchange = exchange = Exchange(self)
        self._parser.begin()
        if self._transport is None or self._transport.is_closing():
            self._break(None)
        elif len(body) <= _JOINED:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        return exchange

    def close(self) -> None:
        """Closes it at once, and drops what is still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        if self.usable:
            cast("asyncio.Transport", self._transport).pause_reading()

    def resume(self) -> None:
        if self.usable:
            cast("asyncio.Transport", self._transport).resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            with suppress(OSError):  # the other side may have closed it already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        exchange, parser = self._exchange, self._parser
        if exchange is None:  # nobody has sent a request that this could answer
            self.close()
            return
        exchange.begun = True
        waiting = parser.head is None
        fault = None
        try:
            parser.feed(data)
        except NotHttpError as error:
            fault = error
        if waiting and parser.head is not None:
            if parser.surplus:  # nothing of it has been read yet: its length cannot be trusted
                self._fail(HttpError("not HTTP: more follows the response", connected=True, malformed=True))
                return
            exchange.starts(parser.head)
        if body := parser.take():
            exchange.receives(body)
        if fault is not None:
            self._fail(_failure(fault, begun=parser.head is not None))
        elif parser.ended:
            self._end()

    def eof_received(self) -> None:
        """Does not wait until the rest of a request has left, which the upstream may never read."""
        self._break(None)
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._break(exc)
        self._parser.close()
        self._owner.lost(self)

    def _end(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.ends()
        transport = self._transport
        # A response that comes before all of its request is sent leaves the rest of it on its way.
        if self._parser.reusable and transport is not None and not transport.get_write_buffer_size():
            self.reused = True
            self._owner.freed(self)
        else:
            self.close()

    def _fail(self, failure: HttpError) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.ends(failure)
        self.close()

    def _break(self, error: Exception | None) -> None:
        """The connection is closed, with `error` if not by the upstream."""
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if error is None and self._parser.head is not None and self._parser.until_eof:
            exchange.ends()
            return
        failure = HttpError(f"the connection broke: {error or 'the upstream closed it'}", connected=True)
        failure.__cause__ = error
        exchange.ends(failure)


def _failure(fault: NotHttpError, *, begun: bool) -> HttpError:
    if begun:
        return HttpError(f"the connection broke: the body is not well framed: {fault}", connected=True)
    return HttpError(f"not HTTP: {fault}", connected=True, malformed=True)
