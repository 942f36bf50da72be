"""HTTP upstreams over aiohttp: one connection pool each. Leaving a call closes its connection at once."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from dragoman_service.providers.upstream.compression import ENCODINGS, decompressed
from dragoman_service.providers.upstream.connection import HttpAnswer, HttpError, HttpStream
from dragoman_service.providers.upstream.failure_log import FailureLog

CONNECT_TIMEOUT = 5.0  # seconds
CHUNK = 16 * 1024  # bytes: what is decoded in a millisecond or two
# Bytes after which reading stops until they are decoded. One read of the event loop may bring 256 KiB beyond that.
_BUFFER = 16 * 1024
MAX_BODY = 64 * 1024 * 1024  # bytes of a complete response
# A kept connection that the upstream closes while we write to it breaks within a round trip. After this many seconds
# the upstream was working on the request, which must not be repeated then.
_STALE = 0.5
_FAILURES = (aiohttp.ClientError, OSError, TimeoutError)
_opened: ContextVar[bool] = ContextVar("opened", default=False)  # the current request has opened a new connection


class HttpClient:
    """`Http` over aiohttp. Use `open_http`.

    `kept` reuses connections, `fresh` never does: it repeats, once, a request that was lost because the upstream closed
    the kept connection at that very moment.
    """

    def __init__(
        self, kept: aiohttp.ClientSession, fresh: aiohttp.ClientSession, base_url: str, failures: FailureLog
    ) -> None:
        self._kept = kept
        self._fresh = fresh
        self._base = base_url.rstrip("/")
        self._failures = failures

    async def get(self, path: str) -> HttpAnswer:
        return await self._complete("GET", path, None)

    async def post(self, path: str, body: bytes) -> HttpAnswer:
        return await self._complete("POST", path, body)

    @asynccontextmanager
    async def stream(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[HttpStream]:
        response = await self._send("POST", path, body, headers)
        try:
            with _noticing_loss(response):
                yield _stream(response)
        finally:
            response.close()

    async def _complete(self, method: str, path: str, body: bytes | None) -> HttpAnswer:
        response = await self._send(method, path, body)
        try:
            stream = _stream(response)
            with _noticing_loss(response):
                content = await stream.read(MAX_BODY + 1)
        finally:
            response.close()
        if len(content) > MAX_BODY:
            raise HttpError(f"the response has more than {MAX_BODY} bytes", connected=True, malformed=True)
        if stream.encoded:
            raise HttpError("the response is compressed", connected=True, malformed=True)
        return HttpAnswer(stream.status, stream.headers, content)

    async def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        _opened.set(False)
        began = time.monotonic()
        try:
            return await self._request(self._kept, method, path, body, headers)
        except HttpError as failure:
            stale = not _opened.get() and not failure.malformed and time.monotonic() - began < _STALE
            if not stale:
                self._failures.report(failure.__cause__)
                raise
        try:
            return await self._request(self._fresh, method, path, body, headers)
        except HttpError as failure:
            self._failures.report(failure.__cause__)
            raise

    async def _request(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> aiohttp.ClientResponse:
        try:
            return await session.request(method, self._base + path, data=body, headers=headers, allow_redirects=False)
        except _FAILURES as error:
            raise _failure(error) from error


@asynccontextmanager
async def open_http(
    base_url: str,
    *,
    headers: Mapping[str, str] | None = None,
    unix_socket: Path | None = None,
    limit: int = 0,
    connect_timeout: float = CONNECT_TIMEOUT,
    ca_file: Path | None = None,
) -> AsyncIterator[HttpClient]:
    """A client of one upstream, at `base_url` or, if given, on `unix_socket`.

    `limit` is the maximum number of connections, 0 for no limit; further requests wait for a free one. Looking up the
    name, connecting and the TLS handshake may take `connect_timeout` seconds together. `ca_file` holds the certificates
    to trust in place of the system's.
    """
    sent = {
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": "dragoman",
        **(headers or {}),
    }
    timeout = aiohttp.ClientTimeout(
        total=None, connect=None if limit else connect_timeout, sock_connect=connect_timeout, ceil_threshold=1e9
    )
    trust = await asyncio.to_thread(_trust, ca_file)

    def session(fresh: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_connector(unix_socket, limit, fresh, trust),
            headers=sent,
            timeout=timeout,
            auto_decompress=False,
            read_bufsize=_BUFFER,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async with AsyncExitStack() as stack:
        kept, fresh = [await stack.enter_async_context(session(fresh)) for fresh in (False, True)]
        address = urlsplit(base_url).netloc.rpartition("@")[2]
        yield HttpClient(kept, fresh, base_url, FailureLog(address if unix_socket is None else str(unix_socket)))


def _connector(
    unix_socket: Path | None, limit: int, fresh: bool, trust: ssl.SSLContext | bool
) -> aiohttp.BaseConnector:
    if unix_socket is not None:
        # An idle connection occupies the other side, and a new one costs next to nothing on a unix socket.
        return _UnixConnector(str(unix_socket), limit=limit, force_close=True)
    return _TcpConnector(limit=limit, force_close=fresh, ssl=trust)


def _trust(ca_file: Path | None) -> ssl.SSLContext | bool:
    return True if ca_file is None else ssl.create_default_context(cafile=str(ca_file))


class _Noting(aiohttp.BaseConnector):
    """Notes that the current request opened a new connection.

    The public way, aiohttp's tracing, costs a fifth of the whole request. tests/providers/test_aiohttp.py pins the
    private method.
    """

    async def _create_connection(self, *args: Any, **more: Any) -> Any:
        _opened.set(True)
        return await super()._create_connection(*args, **more)


class _TcpConnector(_Noting, aiohttp.TCPConnector):
    pass


class _UnixConnector(_Noting, aiohttp.UnixConnector):
    pass


class _Chunks:
    """The body in chunks as they come, none larger than `CHUNK`."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._content.read(CHUNK)
        except _FAILURES as error:
            raise _failure(error) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk


@contextmanager
def _noticing_loss(response: aiohttp.ClientResponse) -> Iterator[None]:
    """Fails the reader of the body when the connection closes.

    When the framing of a body is broken, aiohttp closes the connection but leaves the reader waiting for ever.
    """
    connection, lost = response.connection, partial(_lost, response.content)
    protocol = None if connection is None else connection.protocol
    closed = None if protocol is None else protocol.closed
    if closed is None:
        if protocol is not None:
            lost(None)
        yield
        return
    closed.remove_done_callback(_retrieved)  # a kept connection already has it
    closed.add_done_callback(_retrieved)
    closed.add_done_callback(lost)
    try:
        yield
    finally:
        closed.remove_done_callback(lost)


def _lost(content: aiohttp.StreamReader, _: object) -> None:
    if not content.is_eof() and content.exception() is None:
        content.set_exception(aiohttp.ClientPayloadError("the body is not framed as its header says"))


def _retrieved(closed: asyncio.Future[None]) -> None:
    """Retrieves the exception, because asyncio logs one that nobody retrieves."""
    if not closed.cancelled():
        closed.exception()


def _stream(response: aiohttp.ClientResponse) -> HttpStream:
    """The response, its chunks decompressed if they come in an encoding that is known here."""
    headers = _lower(response)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    chunks: AsyncIterator[bytes] = _Chunks(response.content)
    if encoding in ("", "identity"):
        return HttpStream(response.status, headers, chunks)
    if encoding in ENCODINGS:
        return HttpStream(response.status, headers, decompressed(chunks, encoding))
    return HttpStream(response.status, headers, chunks, encoding)


def _lower(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _failure(error: Exception) -> HttpError:
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return HttpError(f"no connection: {error}", connected=False)
        case aiohttp.ClientResponseError():
            return HttpError(f"not HTTP: {error}", connected=True, malformed=True)
        case _:
            return HttpError(f"the connection broke: {error}", connected=True)
