"""One call over HTTP: its request, and the methods that answer it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TypeVar

from dragoman import v1

from dragoman_service.contract import CompletionError
from dragoman_service.transport.call_context import CallContext
from dragoman_service.transport.http.connection import NAME
from dragoman_service.transport.http.http1.abort import abort
from dragoman_service.transport.http.http1.answer import Answer
from dragoman_service.transport.http.http1.request import Request
from dragoman_service.transport.status import stalled_reader
from dragoman_service.transport.warnings import tell_warnings

JSON = "application/json"
STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""Headers of every streamed response, so that no proxy stores or collects it."""
MAX_BUFFERED = 65_536  # bytes that may wait for a slow reader; beyond that `send` waits too

T = TypeVar("T")
EncodeError = Callable[[CompletionError, str], Iterable[bytes]]
"""Encodes the error that ends a failed stream; the string is the id of the call."""


def media_type(request: Request) -> str:
    """See `HttpCall.content_type`."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpCall:
    """A call that a handler answers with one `reply`, or with `begin` and any number of `send`.

    `context` tells the caller, the id of the call and its deadline. `body` is the whole request body. `headers` are
    added to every response.
    """

    def __init__(self, request: Request, context: CallContext, stall_timeout: float) -> None:
        self.request = request
        self.context = context
        self.body = b""
        self.headers = context.headers
        self.headers.update({"x-request-id": context.call_id, "server": NAME})
        self._stall_timeout = stall_timeout
        self._encode_error: EncodeError | None = None
        self.closes = False
        """Whether the connection ends with the response."""
        self.ends_cleanly = False
        """Whether a stream that fails is complete with its error, because no reader can take that for success."""

    @property
    def response(self) -> Answer | None:
        """The response, once it has begun."""
        return self.request.answer

    async def decoded(self, decode: Callable[[bytes], T]) -> T:
        """What `decode` makes of the body. A large body is decoded in a thread."""
        return await self.context.convert(len(self.body), decode, self.body)

    def header(self, name: str) -> str:
        """A header of the request as text, "" without it. Bytes that are not UTF-8 become U+FFFD."""
        return self.request.headers.get(name.lower(), "").encode(errors="surrogateescape").decode(errors="replace")

    @property
    def content_type(self) -> str:
        """The media type of the body, in lower case and without parameters; "" if it is not said."""
        return media_type(self.request)

    def accept(self, *, streaming: bool = False) -> None:
        """States that the request is valid and whether its answer is streamed, because only the reader of a stream can
        make it wait. Call it once, before the answer."""
        self.context.record.kind = "server_stream" if streaming else "unary"

    def warn(self, warnings: Iterable[tuple[str, str]]) -> None:
        """Tells of parts of the request that were left out, by name and reason, in a header and in the log line. Call
        it before the response begins."""
        tell_warnings(self.context, list(warnings))

    async def reply(
        self, body: bytes, *, status: int = 200, content_type: str = JSON, headers: Mapping[str, str] | None = None
    ) -> None:
        """Sends the whole response. Raises OVERLOADED if there is no memory for it."""
        if status == 200:
            self.context.share.grow(2 * len(body))  # ours, and the bytes that wait for a slow reader
        told = {**self.headers, **(headers or {}), "content-type": content_type}
        self.request.respond(status, told, len(body), closes=self.closes).write(body)

    async def begin(self, content_type: str, encode_error: EncodeError) -> None:
        """Begins a streamed response; its head is sent with the first piece. An error raised from now on is sent as
        `encode_error` makes it, and then the connection is cut off."""
        told = {**self.headers, **STREAM_HEADERS, "content-type": content_type}
        self._encode_error = encode_error
        self.request.respond(200, told, None, closes=self.closes)

    async def send(self, piece: bytes) -> None:
        """Sends one piece of a streamed response at once. Raises STALLED_READER if the caller stops reading."""
        if self.response is None:
            raise RuntimeError("call begin() before send()")
        self.response.write(piece)
        await self._drain()

    async def finish(self) -> None:
        """Completes the response and waits until it is written. Raises STALLED_READER."""
        if self.response is not None:
            self.response.end()
            await self._drain()

    async def fail(self, error: CompletionError) -> None:
        """Ends a response that has begun with `error` and, unless it `ends_cleanly`, with a broken connection, so that
        it never looks complete."""
        ending = b""
        # A stalled reader gets no error: nothing can be written behind the write that it does not take.
        if self._encode_error is not None and error.reason != v1.ERROR_REASON_STALLED_READER:
            ending = b"".join(self._encode_error(error, self.context.call_id))
            if self.ends_cleanly:
                with suppress(CompletionError, ConnectionError):
                    await self.send(ending)
                    await self.finish()
                    return
                ending = b""
        await abort(self.request, ending)

    async def _drain(self) -> None:
        """Waits while too much is to be sent."""
        transport = self.request.transport
        if transport is None or transport.get_write_buffer_size() <= MAX_BUFFERED:
            return
        loop = asyncio.get_running_loop()
        begin = loop.time()
        try:
            async with asyncio.timeout_at(begin + self._stall_timeout):
                await self.request.line.drain()
        except TimeoutError:
            raise stalled_reader(self._stall_timeout) from None
        finally:
            self.context.record.stalled += loop.time() - begin
