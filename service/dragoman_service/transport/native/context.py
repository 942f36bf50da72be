"""What a handler uses of a call: the messages, the metadata and the status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol

import dragoman_http2 as http2
import grpc
from grpc import aio

from dragoman_service.transport.native.framing import Incoming, compressed_frame, frame
from dragoman_service.transport.native.metadata import Field, Metadata, encoded, status_fields
from dragoman_service.transport.native.options import Options
from dragoman_service.transport.native.requests import Head

HEADERS: list[Field] = [
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-accept-encoding", b"identity,deflate,gzip"),
]
OK_TRAILERS: list[Field] = [(b"grpc-status", b"0")]
_ENCODINGS = {grpc.Compression.Gzip: "gzip", grpc.Compression.Deflate: "deflate"}


Status = tuple[grpc.StatusCode, str, Metadata]
"""How a call ends: code, message, trailing metadata."""


class Line(Protocol):
    """What a call uses of its connection."""

    loop: asyncio.AbstractEventLoop
    options: Options
    peer: str
    session: http2.Session

    def wake(self) -> None:
        """Sends soon what the session has to send."""

    def report(self, error: Exception) -> None:
        """Logs what a handler has raised."""

    def keep(self, task: asyncio.Task[None]) -> None:
        """Keeps the task of a call that is over until it has ended too."""


class Context:
    """The part of `grpc.aio.ServicerContext` that servicers use, by the same names.

    A call is over when all of its response was sent, its caller has reset it, or the connection is lost.
    """

    __slots__ = (
        "_callbacks",
        "_cancelled",
        "_code",
        "_connection",
        "_details",
        "_encoding",
        "_ended",
        "_expiry",
        "_finished",
        "_incoming",
        "_initial",
        "_over",
        "_plain",
        "_reader",
        "_room",
        "_started",
        "_task",
        "_trailing",
        "_unread",
        "deadline",
        "deserialize",
        "handler",
        "head",
        "serialize",
        "stream",
    )

    def __init__(self, connection: Line, stream: int, head: Head, handler: Any, ended: bool) -> None:
        self._connection, self.stream, self.head, self.handler = connection, stream, head, handler
        self._incoming = Incoming(head.encoding, connection.options.max_message)
        self._unread = 0  # bytes for which the caller has no window again
        self._ended = ended
        self._started = self._finished = self._over = self._cancelled = self._plain = False
        self._reader: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._code: Any = None
        self._details = ""
        self._initial: Metadata = ()
        self._trailing: Metadata = ()
        self._encoding = ""
        self._callbacks: list[Callable[[Any], object]] = []
        self.deadline = None if head.timeout is None else connection.loop.time() + head.timeout
        """Loop time, None if there is none."""
        self._expiry: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self.deserialize: Callable[[bytes], Any] | None = None
        self.serialize: Callable[[Any], bytes] | None = None
        """What `read` and `write` do with messages; without them these are bytes."""

    def whole(self) -> bytes | None:
        """Takes the request if it is one message and all of it has come; else None, and `read` gives it."""
        messages = self._incoming.messages
        if not self._ended or len(messages) != 1:
            return None
        self._consume()
        return messages.pop()

    async def read(self) -> Any:
        """The next message, or `grpc.aio.EOF`."""
        messages = self._incoming.messages
        while not messages:
            if self._over or self._finished:
                raise aio.InternalError("The call is over.")
            if self._ended:
                return aio.EOF
            self._consume()
            self._reader = self._connection.loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        raw = messages.pop(0)
        if not messages:
            self._consume()
        return raw if self.deserialize is None else self.deserialize(raw)

    async def write(self, message: Any) -> None:
        """Sends a message. Waits while much of the call waits to be sent."""
        if self._over or self._finished:
            raise aio.InternalError("The call is over.")
        raw = message if self.serialize is None else self.serialize(message)
        self._start()
        connection = self._connection
        waiting = connection.session.send(self.stream, self._frame(raw))
        connection.wake()
        if waiting > connection.options.high_water:
            if self._room is None:
                self._room = connection.loop.create_future()
            await self._room

    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        """Sends the head of the response. Raises UsageError if it was sent."""
        if self._started:
            raise aio.UsageError("The initial metadata was sent already.")
        if self._over or self._finished:
            raise aio.InternalError("The call is over.")
        self._initial = tuple(initial_metadata)
        self._start()
        self._connection.wake()

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()) -> NoReturn:
        """Ends the call with this status and raises AbortError."""
        if self._over or self._finished:
            raise aio.InternalError("The call is over.")
        if code is grpc.StatusCode.OK:
            code = grpc.StatusCode.UNKNOWN
        self._code = code
        self.finish(code, details, tuple(trailing_metadata) or self._trailing)
        raise aio.AbortError("Locally aborted.")

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    def set_details(self, details: str) -> None:
        self._details = details

    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        self._trailing = tuple(trailing_metadata)

    def set_compression(self, compression: grpc.Compression) -> None:
        """Compresses what follows, if the caller takes it. Call it before the first message."""
        if self._started:
            raise aio.UsageError("The head of the response, which names the compression, was sent already.")
        name = _ENCODINGS.get(compression, "")
        self._encoding = name if name in (one.strip() for one in self.head.accepted.split(",")) else ""

    def disable_next_message_compression(self) -> None:
        self._plain = True

    def code(self) -> Any:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Metadata:
        return self._trailing

    def invocation_metadata(self) -> Metadata:
        return self.head.metadata

    def peer(self) -> str:
        return self._connection.peer

    def time_remaining(self) -> float | None:
        """Seconds, None without a deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - self._connection.loop.time())

    def cancelled(self) -> bool:
        """Whether the caller has left, or the deadline has passed, before the status was sent."""
        return self._cancelled

    def done(self) -> bool:
        """Whether a status was sent or will not be."""
        return self._finished or self._over

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Calls it with the call when that is over; at once if it is."""
        if self._over:
            callback(self)
        else:
            self._callbacks.append(callback)

    def finish(self, code: Any, details: str = "", trailing: Metadata = ()) -> None:
        """Sends the status, after all that was written. Later ones are ignored."""
        if self._finished or self._over:
            return
        number = code.value[0] if isinstance(code, grpc.StatusCode) else int(code)
        trailers = [*status_fields(number, details), *encoded(trailing)] if number or trailing else OK_TRAILERS
        session = self._connection.session
        if self._started:
            session.end(self.stream, trailers)
        else:
            session.fail(self.stream, [*HEADERS, *trailers])
        self._finish()

    def _start(self) -> None:
        if not self._started:
            self._connection.session.respond(self.stream, self._head())
            self._started = True

    def _head(self) -> Sequence[Field]:
        if not self._initial and not self._encoding:
            return HEADERS
        encoding = [(b"grpc-encoding", self._encoding.encode())] if self._encoding else []
        return [*HEADERS, *encoding, *encoded(self._initial)]

    def _frame(self, raw: bytes) -> bytes:
        if not self._encoding:
            return frame(raw)
        plain, self._plain = self._plain, False
        return frame(raw) if plain else compressed_frame(raw, self._encoding)

    def _consume(self) -> None:
        if self._unread:
            self._connection.session.consume(self.stream, self._unread)
            self._unread = 0
            self._connection.wake()

    def _finish(self) -> None:
        self._finished = True
        self._connection.wake()
        if self._expiry is not None:
            self._expiry.cancel()
