"""Cuts a response off so that no client can take it for complete."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from dragoman_service.transport.http.http1.request import Request

WRITE_GRACE = 1.0  # seconds for the last bytes to leave
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


async def abort(request: Request, ending: bytes) -> None:
    """Sends `ending`, unless it is empty, and closes the connection before the response is complete.

    A chunked body then lacks its last chunk. Before HTTP/1.1 the end of the connection is the end of the body, so such
    a connection is reset.
    """
    transport = request.transport
    if transport is None:
        return
    if request.answer is not None and ending:
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(WRITE_GRACE):
                transport.set_write_buffer_limits(0)  # so that drain() waits until everything has left
                request.answer.write(ending)
                await request.line.drain()
    raw = transport.get_extra_info("socket")
    if not request.http11 and raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
