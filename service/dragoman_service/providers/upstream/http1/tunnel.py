"""A tunnel through a proxy, which CONNECT asks for."""

from __future__ import annotations

import asyncio
from typing import cast

from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http1.responses import NotHttpError, ResponseParser


class Tunnel(asyncio.Protocol):
    """Sends `request` and waits for the proxy's answer."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._parser = ResponseParser()
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def opened(self) -> None:
        """Raises HttpError if the proxy refuses."""
        await self._opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed(data)
        except NotHttpError as fault:
            self._refuse(f"does not speak HTTP: {fault}")
            return
        head = self._parser.head
        if head is None:
            return
        if not 200 <= head.status < 300:
            self._refuse(f"answered {head.status} to CONNECT")
        elif self._parser.take():  # the upstream speaks only when it is spoken to, in TLS
            self._refuse("sent more than its answer to CONNECT")
        elif not self._opened.done():
            self._opened.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._refuse(f"closed the connection{f': {exc}' if exc else ''}")

    def _refuse(self, why: str) -> None:
        if not self._opened.done():
            self._opened.set_exception(HttpError(f"no connection: the proxy {why}", connected=False))
