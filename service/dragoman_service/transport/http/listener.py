"""One address that the service listens on for HTTP."""

from __future__ import annotations

import asyncio
import socket

from dragoman_service.settings.errors import Mistake, SettingsError
from dragoman_service.settings.types import Address
from dragoman_service.transport.http.connection import Connection, Serve, Serving
from dragoman_service.transport.http.connections import Connections

STOP_GRACE = 0.1  # seconds; a drain has waited for the calls already
_BACKLOG = 128  # connections that wait to be accepted


class Listener:
    """Serves requests at `address`, which the settings have at the path `setting`, over `limit` connections at most."""

    def __init__(self, setting: str, address: Address, serve: Serve, limit: int, head_timeout: float) -> None:
        self._setting = setting
        self._address = address
        self._serving = Serving(serve, Connections(limit), head_timeout)
        self._server: asyncio.Server | None = None
        self._port = address.port

    @property
    def listening(self) -> bool:
        """Whether connections are accepted now."""
        return self._server is not None

    @property
    def bound(self) -> Address:
        """The address with its real port, once it listens."""
        return Address(self._address.host, self._port)

    async def start(self, *, share_port: bool) -> None:
        """Starts to listen. Raises SettingsError if it cannot listen there."""
        try:
            self._server = await self._listen(share_port)
        except OSError as error:
            mistake = Mistake(self._setting, f"cannot listen on {self._address}: {error.strerror or error}")
            raise SettingsError([mistake]) from None
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Accepts no further connections."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def stop(self) -> None:
        """Closes the listener and all connections."""
        await self.close()
        await asyncio.gather(*(connection.stop(STOP_GRACE) for connection in tuple(self._serving.open)))

    async def _listen(self, share_port: bool) -> asyncio.Server:
        loop, address = asyncio.get_running_loop(), self._address
        if not address.all_families:
            return await loop.create_server(
                self._connection, address.host, address.port, backlog=_BACKLOG, reuse_port=share_port or None
            )
        listener = socket.create_server(  # asyncio would accept IPv6 only, whereas gRPC accepts both
            (address.host, address.port),
            family=socket.AF_INET6,
            reuse_port=share_port,
            dualstack_ipv6=True,
        )
        listener.setblocking(False)
        return await loop.create_server(self._connection, sock=listener, backlog=_BACKLOG)

    def _connection(self) -> Connection:
        return Connection(self._serving)
