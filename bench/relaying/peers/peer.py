"""What the benchmark needs to know about another gateway."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from relaying.processes import Program
from relaying.targets import HttpPeer

START = 120.0  # seconds until a gateway must listen
Start = Callable[[Path, int, int], AbstractAsyncContextManager[tuple[Program, HttpPeer]]]


@dataclass(frozen=True, slots=True)
class Peer:
    """Another gateway.

    `missing` installs it if that is possible and not done already; it returns "", or why it cannot be measured.
    `start` starts it with a folder for its files, the port of the upstream and its core, without keys and without a log
    line per call.
    """

    name: str
    missing: Callable[[], str]
    start: Start


@asynccontextmanager
async def listening(program: Program, peer: HttpPeer, name: str) -> AsyncIterator[tuple[Program, HttpPeer]]:
    """Waits until the program serves chat completions. Ends the benchmark if it does not."""
    ends = asyncio.get_running_loop().time() + START
    while program.running and asyncio.get_running_loop().time() < ends:
        with contextlib.suppress(OSError):
            if await peer.serves():
                yield program, peer
                return
        await asyncio.sleep(0.2)
    raise SystemExit(f"{name} did not start. Use --without-peers to measure ours alone. {program.log_tail()}")


def free_port() -> int:
    """Finds a free port, for gateways that cannot let the system choose one."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
