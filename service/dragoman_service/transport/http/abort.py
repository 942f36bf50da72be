"""Cuts an HTTP response off so that no client can take it for complete."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from aiohttp import HttpVersion11, web

WRITE_GRACE = 1.0  # seconds for the last bytes to leave
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


async def abort(request: web.Request, response: web.StreamResponse | None, ending: bytes) -> None:
    """Sends `ending`, unless it is empty, and closes the connection before the response is complete.

    A chunked body then lacks its last chunk. Before HTTP/1.1 the end of the connection is the end of the body, so such
    a connection is reset.
    """
    transport = request.transport
    if transport is None:
        return
    if response is not None and ending:
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(WRITE_GRACE):
                transport.set_write_buffer_limits(0)  # so that drain() waits until everything has left
                await response.write(ending)
                await request.writer.drain()
    raw = transport.get_extra_info("socket")
    if request.version < HttpVersion11 and raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
