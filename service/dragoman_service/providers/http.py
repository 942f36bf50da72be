"""The seam to HTTP upstreams: a request's bytes out, an answer's bytes in, whole or as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import aiohttp

CONNECT_TIMEOUT = 5.0  # seconds
MAX_BODY = 64 * 1024 * 1024  # bytes of an answer that is read whole


class HttpError(Exception):
    """No answer came, or it broke off. Not `connected`: the upstream has seen nothing of the request."""

    def __init__(self, message: str, *, connected: bool) -> None:
        super().__init__(message)
        self.connected = connected


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

    async def read(self, most: int) -> bytes:
        """The rest of the body, cut after `most` bytes."""
        body = bytearray()
        async for chunk in self.chunks:
            body += chunk
            if len(body) >= most:
                break
        return bytes(body[:most])


class Http(Protocol):
    """What a provider needs of HTTP. Both raise HttpError; no status is a failure here."""

    async def post(self, path: str, body: bytes) -> HttpAnswer:
        """Sends JSON and returns the whole answer."""
        ...

    def stream(self, path: str, body: bytes) -> AbstractAsyncContextManager[HttpStream]:
        """Sends JSON and gives the answer as it comes. Leaving the context closes the connection without waiting."""
        ...


class HttpClient:
    """`Http` over aiohttp. Use `open_http`."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base = base_url.rstrip("/")

    async def get(self, path: str) -> HttpAnswer:
        """Returns what is there."""
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
            raise HttpError(f"the answer has more than {MAX_BODY} bytes", connected=True)
        return HttpAnswer(stream.status, stream.headers, content)

    async def _send(self, method: str, path: str, body: bytes | None) -> aiohttp.ClientResponse:
        with _failures():
            return await self._session.request(method, self._base + path, data=body, allow_redirects=False)


@asynccontextmanager
async def open_http(
    base_url: str,
    *,
    headers: Mapping[str, str] | None = None,
    unix_socket: Path | None = None,
    limit: int = 0,
) -> AsyncIterator[HttpClient]:
    """A client of one upstream; with `unix_socket` it is found there and not at `base_url`.

    `limit` is the number of connections, 0 for any; further requests wait for one to be free.
    """
    connector: aiohttp.BaseConnector = (
        aiohttp.TCPConnector(limit=limit)
        if unix_socket is None
        # An idle connection occupies the other side, and a new one costs next to nothing here.
        else aiohttp.UnixConnector(str(unix_socket), limit=limit, force_close=True)
    )
    sent = {
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": "dragoman",
        **(headers or {}),
    }
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
    async with aiohttp.ClientSession(connector=connector, headers=sent, timeout=timeout) as session:
        yield HttpClient(session, base_url)


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
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise HttpError(f"the connection broke: {error}", connected=True) from error
