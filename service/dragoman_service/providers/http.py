"""The seam to HTTP upstreams: a request's bytes out, an answer's bytes in, whole or as they come."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, Self

import aiohttp

CONNECT_TIMEOUT = 5.0  # seconds
MAX_BODY = 64 * 1024 * 1024  # bytes of an answer that is read whole
# A kept connection that the upstream closes while we write to it breaks within a round trip: what breaks later was
# being worked on.
_STALE = 0.5  # seconds


class HttpError(Exception):
    """No answer came, or it broke off.

    Not `connected`: the upstream has seen nothing of the request. `malformed`: what came is no HTTP.
    """

    def __init__(self, message: str, *, connected: bool, malformed: bool = False) -> None:
        super().__init__(message)
        self.connected = connected
        self.malformed = malformed


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpStream:
    """An answer whose body comes in pieces; reading them raises HttpError where it breaks off."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]

    @property
    def encoded(self) -> bool:
        """Its body is compressed, though that was not asked for; nothing here undoes it."""
        return self.headers.get("content-encoding", "identity").strip().lower() not in ("identity", "")

    async def read(self, most: int) -> bytes:
        """The rest of the body, cut after `most` bytes."""
        body = bytearray()
        async for chunk in self.chunks:
            body += chunk
            if len(body) >= most:
                break
        return bytes(body[:most])

    async def drain(self, patience: float) -> None:
        """Reads the body to its end, so that the connection can be used again; gives up after `patience` seconds."""
        with suppress(HttpError, TimeoutError):
            async with asyncio.timeout(patience):
                async for _ in self.chunks:
                    pass


class Http(Protocol):
    """What a provider needs of HTTP. All raise HttpError; no status is a failure here."""

    async def get(self, path: str) -> HttpAnswer:
        """Returns what is there."""
        ...

    async def post(self, path: str, body: bytes) -> HttpAnswer:
        """Sends JSON and returns the whole answer."""
        ...

    def stream(self, path: str, body: bytes) -> AbstractAsyncContextManager[HttpStream]:
        """Sends JSON and gives the answer as it comes. Leaving the context closes the connection without waiting."""
        ...


class HttpClient:
    """`Http` over aiohttp. Use `open_http`.

    `kept` uses connections again, `fresh` never does: it repeats, once, what a kept connection lost because the
    upstream closed it at that very moment.
    """

    def __init__(self, kept: aiohttp.ClientSession, fresh: aiohttp.ClientSession, base_url: str) -> None:
        self._kept = kept
        self._fresh = fresh
        self._base = base_url.rstrip("/")

    async def get(self, path: str) -> HttpAnswer:
        return await self._whole("GET", path, None)

    async def post(self, path: str, body: bytes) -> HttpAnswer:
        return await self._whole("POST", path, body)

    @asynccontextmanager
    async def stream(self, path: str, body: bytes) -> AsyncIterator[HttpStream]:
        response = await self._send("POST", path, body)
        try:
            yield HttpStream(response.status, _lower(response), _Chunks(response.content))
        finally:
            response.close()

    async def _whole(self, method: str, path: str, body: bytes | None) -> HttpAnswer:
        response = await self._send(method, path, body)
        try:
            stream = HttpStream(response.status, _lower(response), _Chunks(response.content))
            content = await stream.read(MAX_BODY + 1)
        finally:
            response.close()
        if len(content) > MAX_BODY:
            raise HttpError(f"the answer has more than {MAX_BODY} bytes", connected=True, malformed=True)
        if stream.encoded:
            raise HttpError("the answer is compressed", connected=True, malformed=True)
        return HttpAnswer(stream.status, stream.headers, content)

    async def _send(self, method: str, path: str, body: bytes | None) -> aiohttp.ClientResponse:
        seen = SimpleNamespace(reused=False)
        began = time.monotonic()
        try:
            with _failures():
                return await self._request(self._kept, method, path, body, seen)
        except HttpError as failure:
            stale = seen.reused and not failure.malformed and time.monotonic() - began < _STALE
            if not stale:
                raise
        with _failures():
            return await self._request(self._fresh, method, path, body, None)

    async def _request(
        self, session: aiohttp.ClientSession, method: str, path: str, body: bytes | None, seen: SimpleNamespace | None
    ) -> aiohttp.ClientResponse:
        return await session.request(
            method, self._base + path, data=body, allow_redirects=False, trace_request_ctx=seen
        )


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
    """A client of one upstream; with `unix_socket` it is found there and not at `base_url`.

    `limit` is the number of connections, 0 for any; further requests wait for one to be free. A connection, its name
    looked up and its TLS set up, is there within `connect_timeout` seconds. `ca_file` holds the certificates to trust
    in place of the system's.
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
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[] if fresh else [_reuse()],
        )

    async with AsyncExitStack() as stack:
        kept, fresh = [await stack.enter_async_context(session(fresh)) for fresh in (False, True)]
        yield HttpClient(kept, fresh, base_url)


def _connector(
    unix_socket: Path | None, limit: int, fresh: bool, trust: ssl.SSLContext | bool
) -> aiohttp.BaseConnector:
    if unix_socket is not None:
        # An idle connection occupies the other side, and a new one costs next to nothing here.
        return aiohttp.UnixConnector(str(unix_socket), limit=limit, force_close=True)
    return aiohttp.TCPConnector(limit=limit, force_close=fresh, ssl=trust)


def _trust(ca_file: Path | None) -> ssl.SSLContext | bool:
    return True if ca_file is None else ssl.create_default_context(cafile=str(ca_file))


def _reuse() -> aiohttp.TraceConfig:
    async def reused(session: aiohttp.ClientSession, context: SimpleNamespace, params: Any) -> None:
        context.trace_request_ctx.reused = True

    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(reused)
    return config


class _Chunks:
    """What each read brings, until the end."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        with _failures():
            chunk = await self._content.readany()
        if not chunk:
            raise StopAsyncIteration
        return chunk


def _lower(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise HttpError(f"no connection: {error}", connected=False) from error
    except aiohttp.ClientResponseError as error:
        raise HttpError(f"no HTTP: {error}", connected=True, malformed=True) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise HttpError(f"the connection broke: {error}", connected=True) from error
