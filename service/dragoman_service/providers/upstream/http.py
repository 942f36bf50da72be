"""`Http` over connections of our own: one pool for an upstream. Leaving a call closes its connection at once."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import SplitResult, urlsplit

from dragoman_service.providers.upstream.compression import ENCODINGS, decompressed
from dragoman_service.providers.upstream.connection import UNLIMITED, HttpAnswer, HttpError, HttpStream
from dragoman_service.providers.upstream.failure_log import FailureLog
from dragoman_service.providers.upstream.http1.dialing import TcpDialer, UnixDialer
from dragoman_service.providers.upstream.http1.exchange import Exchange
from dragoman_service.providers.upstream.http1.pool import Pool
from dragoman_service.providers.upstream.http1.proxies import proxy_of
from dragoman_service.providers.upstream.http1.requests import Requests, basic
from dragoman_service.providers.upstream.http1.responses import Head

CONNECT_TIMEOUT = 5.0  # seconds
MAX_BODY = 64 * 1024 * 1024  # bytes of a complete response
# A kept connection that the upstream closes while we write to it breaks within a round trip. After this many seconds
# the upstream was working on the request, which must not be repeated then.
_STALE = 0.5


class HttpClient:
    """`Http` over the connections of `pool`. Use `open_http`.

    A request that was lost because the upstream closed the kept connection at that very moment is repeated, once, on a
    new one.
    """

    def __init__(self, pool: Pool, requests: Requests, failures: FailureLog) -> None:
        self._pool = pool
        self._requests = requests
        self._failures = failures

    async def get(self, path: str) -> HttpAnswer:
        return await self._complete("GET", path, None)

    async def post(self, path: str, body: bytes) -> HttpAnswer:
        return await self._complete("POST", path, body)

    def stream(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        limit: AbstractContextManager[None] = UNLIMITED,
    ) -> Streaming:
        return Streaming(self, "POST", path, body, headers, limit)

    async def send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None
    ) -> tuple[Exchange, Head]:
        """Returns when the head of the response has come. Raises HttpError; why is in the log."""
        size, body = (None, b"") if body is None else (len(body), body)
        request = self._requests.head(method, path, size, headers)
        began = time.monotonic()
        try:
            connection = await self._pool.take()
            exchange = connection.send(request, body)
            try:
                return exchange, await exchange.head()
            except HttpError:
                stale = connection.reused and not exchange.begun and time.monotonic() - began < _STALE
                if not stale:
                    raise
            exchange = (await self._pool.take(fresh=True)).send(request, body)
            return exchange, await exchange.head()
        except HttpError as failure:
            self._failures.report(failure)
            raise

    async def _complete(self, method: str, path: str, body: bytes | None) -> HttpAnswer:
        async with Streaming(self, method, path, body, None, UNLIMITED) as stream:
            content = await stream.read(MAX_BODY + 1)
        if len(content) > MAX_BODY:
            raise HttpError(f"the response has more than {MAX_BODY} bytes", connected=True, malformed=True)
        if stream.encoded:
            raise HttpError("the response is compressed", connected=True, malformed=True)
        return HttpAnswer(stream.status, stream.headers, content)


class Streaming:
    """One request. Leaving the context closes its connection, unless the response was read to its end."""

    __slots__ = ("_chunks", "_client", "_exchange", "_limit", "_request")

    def __init__(
        self,
        client: HttpClient,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        limit: AbstractContextManager[None],
    ) -> None:
        self._client = client
        self._limit = limit
        self._request = method, path, body, headers
        self._exchange: Exchange | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> HttpStream:
        with self._limit:
            exchange, head = await self._client.send(*self._request)
        self._exchange = exchange
        del self._request  # the body may be large, and the answer long
        encoding = head.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("", "identity"):
            return HttpStream(
                head.status, head.headers, exchange, "", exchange.ready, exchange.exhausted, exchange.hold
            )
        if encoding in ENCODINGS:
            self._chunks = decompressed(exchange, encoding)
            return HttpStream(head.status, head.headers, self._chunks)
        return HttpStream(head.status, head.headers, exchange, encoding)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._exchange is not None:
            self._exchange.close()
        if isinstance(self._chunks, AsyncGenerator):
            await self._chunks.aclose()


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
    to trust in place of the system's. Requests to other machines go through the proxy that HTTP_PROXY or HTTPS_PROXY
    names, unless NO_PROXY excepts them. Raises ValueError for an address or a header that cannot be used.
    """
    url = urlsplit(base_url)
    sent = {
        "accept": "*/*",
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": "dragoman",
        **{name.lower(): value for name, value in (headers or {}).items()},
    }
    if unix_socket is not None:
        # An idle connection occupies the other side, and a new one costs next to nothing on a unix socket.
        pool = Pool(UnixDialer(unix_socket, connect_timeout), limit, keep=False)
        requests, address = Requests(url, sent), str(unix_socket)
    else:
        proxy = proxy_of(url)
        tls = await asyncio.to_thread(_trust, ca_file) if url.scheme == "https" else None
        pool = Pool(TcpDialer(url, connect_timeout, tls, proxy), limit)
        requests, address = _requests(url, sent, proxy), url.netloc.rpartition("@")[2]
    try:
        yield HttpClient(pool, requests, FailureLog(address))
    finally:
        await pool.close()


def _requests(url: SplitResult, headers: dict[str, str], proxy: SplitResult | None) -> Requests:
    passed_on = proxy is not None and url.scheme == "http"
    if proxy is not None and passed_on and (authorization := basic(proxy)):
        headers = headers | {"proxy-authorization": authorization}
    return Requests(url, headers, absolute=passed_on)


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.set_alpn_protocols(["http/1.1"])
    return context
