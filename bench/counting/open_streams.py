"""Measures what an open stream keeps in memory, by what is allocated, which is the same on any machine.

    cd bench && python -m counting.open_streams

Columns, each for one stream: small `blocks` of Python's allocator, KiB of `python` objects, and KiB of malloc's, `c`,
which are those of protobuf's messages, of HTTP/2, of the event loop, and Python's large objects again. With glibc only.

Real gRPC (native transport) and HTTP, with the provider `openai` and the stand-in of `bench/relay.py`. The client is in
a process of its own. What the system keeps for sockets is not counted, nor what allocators waste.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import io
import sys
import tempfile
import tracemalloc
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path

import uvloop
from counts import upstream
from dragoman_service.app import running
from dragoman_service.settings.settings import load
from dragoman_service.telemetry.log import configure
from grpc import aio
from relaying.ours import MODEL
from relaying.targets import GrpcPeer, HttpPeer, Peer

BENCH = Path(__file__).parents[1]
LISTENERS = ("grpc", "http")
BEFORE, COUNTED = 100, 200  # streams; the first ones also fill caches
SETTLED = 0.3  # seconds
COLUMNS = ("blocks", "python", "c")
Figures = Callable[[], tuple[float, ...]]


class Malloc(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in _names.split()]


def in_use() -> int:
    """The bytes that malloc has given away."""
    ask = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if ask is None:
        return 0
    ask.restype = Malloc
    found = ask()
    return int(found.uordblks + found.hblkhd)


async def measure(port: int) -> dict[str, list[float]]:
    """The columns of each listener."""
    with tempfile.TemporaryDirectory() as folder:
        server = {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "data_dir": folder, "transport": "native"}
        provider, _, model = MODEL.partition("/")
        near = {"plugin": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "models": [model]}
        async with running(load(None, {}, {"server": server, "providers": {provider: near}})) as service:
            addresses = service.grpc_address, service.http_address
            return {name: await each(name, address) for name, address in zip(LISTENERS, addresses, strict=True)}


async def each(listener: str, address: str) -> list[float]:
    """Measures twice, because tracemalloc takes memory itself."""
    blocks, c = await growth(listener, address, lambda: (sys.getallocatedblocks(), in_use() / 1024))
    tracemalloc.start()
    (python,) = await growth(listener, address, lambda: (tracemalloc.get_traced_memory()[0] / 1024,))
    tracemalloc.stop()
    return [blocks, python, c]


async def growth(listener: str, address: str, figures: Figures) -> list[float]:
    """By how much the figures grow with a stream."""
    command = (sys.executable, "-m", "counting.open_streams", "--open", listener, address)
    client = await asyncio.create_subprocess_exec(*command, cwd=BENCH, stdin=PIPE, stdout=PIPE)
    await opened(client, BEFORE)
    before = figures()
    await opened(client, COUNTED)
    after = figures()
    client.kill()
    await client.wait()
    await asyncio.sleep(SETTLED)
    return [(one - other) / COUNTED for one, other in zip(after, before, strict=True)]


async def opened(client: Process, count: int) -> None:
    """Waits until the client has opened so many more streams."""
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(b"%d\n" % count)
    await client.stdout.readline()
    await asyncio.sleep(SETTLED)
    gc.collect()


async def open_as_told(listener: str, address: str) -> None:
    """The client: opens as many streams as each line of standard input says, and keeps them until it is killed."""
    async with aio.insecure_channel(address) as channel:
        http = listener == "http"
        peer: Peer = HttpPeer(int(address.rpartition(":")[2]), MODEL) if http else GrpcPeer(channel, address, MODEL)
        closers: list[Callable[[], None]] = []
        while line := await asyncio.to_thread(sys.stdin.readline):
            closers += [await peer.open() for _ in range(int(line))]
            print("open", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--open", nargs=2, metavar=("LISTENER", "ADDRESS"), help="what the script runs as a client")
    options = parser.parse_args()
    if options.open:
        asyncio.run(open_as_told(*options.open))
        return
    writer = configure("info", "json", lambda: None, io.StringIO())
    with upstream() as port:
        found = uvloop.run(measure(port))
    writer.close()
    print(f"{'':8}{''.join(f'{column:>10}' for column in COLUMNS)}")
    for name, figures in found.items():
        print(f"{name:8}{''.join(f'{figure:>10.1f}' for figure in figures)}")


if __name__ == "__main__":
    main()
