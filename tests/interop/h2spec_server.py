"""The native server for h2spec, whose requests are no calls of gRPC: here they are read as calls of one method.

Prints its port and serves until its stdin is closed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
from dragoman_service.transport.native import requests
from dragoman_service.transport.native.server import Server

HEAD = requests.Head("/h2spec.H2spec/Ask", (), None, "identity", "")
requests.Heads.read = lambda self, fields: HEAD  # type: ignore[method-assign]


async def answer(path: str, handler: Any, metadata: Any, call: Any) -> None:
    """Answers once all of the request is there; what it is does not matter."""
    while await call.read() is not grpc.aio.EOF:
        pass
    await call.write(b"x" * 32)


async def main() -> None:
    server = Server(serve=answer)
    port = await server.listen("127.0.0.1", 0)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(main())
