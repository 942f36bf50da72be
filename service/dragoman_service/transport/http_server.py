"""The HTTP listener: probes and metrics. Probes call no upstream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from dragoman_service.settings_errors import Mistake, SettingsError
from dragoman_service.settings_types import Address

Readiness = Callable[[], str]
"""Why the service cannot be asked now; empty if it can."""


class HttpServer:
    """Serves `/livez`, `/readyz` and `/metrics`. With `share_port` other processes may listen on the port too."""

    def __init__(
        self,
        address: Address,
        readiness: Readiness,
        registry: CollectorRegistry,
        max_request: int,
        *,
        share_port: bool = False,
    ) -> None:
        self._address = address
        self._share_port = share_port
        self._readiness = readiness
        self._registry = registry
        self.app = web.Application(client_max_size=max_request)
        self.app.router.add_get("/livez", self._live)
        self.app.router.add_get("/readyz", self._ready)
        self.app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(self.app, access_log=None)

    async def start(self) -> Address:
        """Listens. Raises SettingsError if the address cannot be had."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address.host, self._address.port, reuse_port=self._share_port or None)
        try:
            await site.start()
        except OSError as error:
            mistake = Mistake("server.http", f"cannot listen on {self._address}: {error.strerror or error}")
            raise SettingsError([mistake]) from None
        return Address(self._address.host, self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _: web.Request) -> web.Response:
        reason = self._readiness()
        return web.Response(text=f"{reason or 'ok'}\n", status=503 if reason else 200)

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # In a thread: to read and sum up the series of many workers takes a while.
        body = await asyncio.to_thread(encode, self._registry)
        return web.Response(body=body, headers={"Content-Type": content_type})
