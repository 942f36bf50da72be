"""One address that the service listens on for HTTP."""

from __future__ import annotations

import socket

from aiohttp import web

from dragoman_service.settings.errors import Mistake, SettingsError
from dragoman_service.settings.types import Address
from dragoman_service.transport.http.connection import Runner
from dragoman_service.transport.protocol_log import ProtocolLog

KEEPALIVE = 620.0  # seconds that an idle connection stays open: longer than the proxies in front of it keep theirs
STOP_GRACE = 0.1  # seconds; a drain has waited for the calls already


class Listener:
    """Serves `app` at `address`, which the settings have at the path `setting`, over `limit` connections at most."""

    def __init__(self, setting: str, address: Address, app: web.Application, limit: int, head_timeout: float) -> None:
        self._setting = setting
        self._address = address
        self._runner = Runner(
            app,
            limit,
            access_log=None,
            logger=ProtocolLog(),
            handler_cancellation=True,
            keepalive_timeout=KEEPALIVE,
            shutdown_timeout=STOP_GRACE,
            head_timeout=head_timeout,
        )

    @property
    def listening(self) -> bool:
        """Whether connections are accepted now."""
        return bool(self._runner.addresses)

    @property
    def bound(self) -> Address:
        """The address with its real port, once it listens."""
        return Address(self._address.host, self._runner.addresses[0][1])

    async def start(self, *, share_port: bool) -> None:
        """Starts to listen. Raises SettingsError if it cannot listen there."""
        await self._runner.setup()
        try:
            await self._site(share_port).start()
        except OSError as error:
            mistake = Mistake(self._setting, f"cannot listen on {self._address}: {error.strerror or error}")
            raise SettingsError([mistake]) from None

    async def close(self) -> None:
        """Accepts no further connections."""
        for site in tuple(self._runner.sites):
            await site.stop()

    async def stop(self) -> None:
        """Closes the listener and all connections."""
        await self._runner.cleanup()

    def _site(self, share_port: bool) -> web.BaseSite:
        address = self._address
        if not address.all_families:
            return web.TCPSite(self._runner, address.host, address.port, reuse_port=share_port or None)
        listener = socket.create_server(  # asyncio would accept IPv6 only, whereas gRPC accepts both
            (address.host, address.port),
            family=socket.AF_INET6,
            reuse_port=share_port,
            dualstack_ipv6=True,
        )
        listener.setblocking(False)
        return web.SockSite(self._runner, listener)
