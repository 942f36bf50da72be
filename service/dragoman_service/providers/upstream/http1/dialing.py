"""Opens connections to one upstream: over TCP, TLS, a proxy or a unix socket, within one time limit."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import SplitResult

from aiohappyeyeballs import start_connection

from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http1.lookup import Lookup
from dragoman_service.providers.upstream.http1.protocol import Connection, Owner
from dragoman_service.providers.upstream.http1.requests import ascii_host, basic, port_of
from dragoman_service.providers.upstream.http1.tunnel import Tunnel

P = TypeVar("P", bound=asyncio.Protocol)
_HEAD_START = 0.25  # seconds that an address has before the next one is tried beside it


class UnixDialer:
    """Connects to a unix socket within `seconds`. Called with the owner of the connection. Raises HttpError."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path, self._seconds = path, seconds

    async def __call__(self, owner: Owner) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                _, connection = await loop.create_unix_connection(lambda: Connection(owner), str(self._path))
        except (OSError, ValueError) as error:
            raise _unconnected(error, self._seconds) from error
        return connection


class TcpDialer:
    """Connects to the host of `url`, directly or through `proxy`, within `seconds`: name lookup, connection, proxy and
    TLS handshake together. Called with the owner of the connection. Raises HttpError.

    `tls` says whom to trust; None: without TLS.
    """

    def __init__(
        self, url: SplitResult, seconds: float, tls: ssl.SSLContext | None = None, proxy: SplitResult | None = None
    ) -> None:
        self._seconds, self._tls, self._proxy = seconds, tls, proxy
        self._host, self._port = ascii_host(url), port_of(url)
        self._name = self._host.rstrip(".")  # as certificates have it
        peer = proxy or url
        self._lookup = Lookup(ascii_host(peer), port_of(peer))

    async def __call__(self, owner: Owner) -> Connection:
        try:
            async with asyncio.timeout(self._seconds):
                if self._proxy is not None and self._tls is not None:
                    return await self._through(self._proxy, self._tls, owner)
                return await self._direct(owner)
        except (OSError, ValueError, RuntimeError) as error:  # uvloop raises RuntimeError for some sockets
            raise _unconnected(error, self._seconds) from error

    async def _direct(self, owner: Owner) -> Connection:
        """To the peer: the upstream, or a proxy that passes requests without TLS on."""
        _, connection = await self._connected(lambda: Connection(owner), self._tls)
        return connection

    async def _through(self, proxy: SplitResult, tls: ssl.SSLContext, owner: Owner) -> Connection:
        transport, tunnel = await self._connected(lambda: Tunnel(self._request(proxy)))
        try:
            await tunnel.opened()
            connection = Connection(owner)
            inner = await asyncio.get_running_loop().start_tls(transport, connection, tls, server_hostname=self._name)
        except BaseException:
            transport.abort()
            raise
        connection.connection_made(cast("asyncio.Transport", inner))
        return connection

    async def _connected(
        self, protocol: Callable[[], P], tls: ssl.SSLContext | None = None
    ) -> tuple[asyncio.Transport, P]:
        """A connection to the peer."""
        sock = await start_connection(await self._lookup.addresses(), happy_eyeballs_delay=_HEAD_START)
        try:
            return await asyncio.get_running_loop().create_connection(
                protocol, sock=sock, ssl=tls, server_hostname=self._name if tls else None
            )
        except BaseException:
            sock.close()
            raise

    def _request(self, proxy: SplitResult) -> bytes:
        place = f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"
        authorization = basic(proxy)
        more = f"proxy-authorization: {authorization}\r\n" if authorization else ""
        return f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n{more}\r\n".encode()


def _unconnected(error: Exception, seconds: float) -> HttpError:
    text = str(error) or (f"not within {seconds:g} s" if isinstance(error, TimeoutError) else type(error).__name__)
    return HttpError(f"no connection: {text}", connected=False)
