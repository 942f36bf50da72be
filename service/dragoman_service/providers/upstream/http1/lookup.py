"""The addresses of one host, from its name server, and for a short time from memory."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

KNOWN = 10.0  # seconds that addresses are remembered
AddressInfo = tuple[Any, Any, int, str, Any]
"""As `getaddrinfo` returns it."""


class Lookup:
    """The addresses of `host`. Connections that open at once share one question to the name server."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._asking = asyncio.Lock()
        self._found: list[AddressInfo] = []
        self._until = 0.0

    async def addresses(self) -> list[AddressInfo]:
        """In turn, so that connections spread over them. Raises OSError."""
        clock = asyncio.get_running_loop().time
        async with self._asking:
            if clock() >= self._until:
                self._found = await self._ask()
                self._until = clock() + KNOWN
            self._found.append(self._found.pop(0))
            return list(self._found)

    async def _ask(self) -> list[AddressInfo]:
        loop = asyncio.get_running_loop()
        kind, flags = socket.SOCK_STREAM, socket.AI_ADDRCONFIG
        return list(await loop.getaddrinfo(self._host, self._port, type=kind, flags=flags))
