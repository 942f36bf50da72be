"""Ends an HTTP answer in its middle so that no client can take it for whole."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from aiohttp import HttpVersion11, web

PATIENCE = 1.0  # seconds that the last words have to leave
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


async def break_off(request: web.Request, response: web.StreamResponse | None, words: bytes) -> None:
    """Sends `words`, if there are any, and closes the connection where more was promised.

    A body in chunks lacks its last chunk then. Before HTTP/1.1 the end of the connection is the end of the body, so
    there it is reset.
    """
    transport = request.transport
    if transport is None:
        return
    if response is not None and words:
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                transport.set_write_buffer_limits(0)  # so that drain waits until all has left
                await response.write(words)
                await request.writer.drain()
    raw = transport.get_extra_info("socket")
    if request.version < HttpVersion11 and raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
