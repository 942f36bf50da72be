"""Measures what an echo costs grpcio's server and the native one, as CPU of the server's process, in one run.

    python bench/grpc_server.py            # unary calls, and messages of streams
    python bench/grpc_server.py --guarded  # the same behind the guard of the service
    python bench/grpc_server.py --soak     # growth of memory, with 200,000 calls and 5,000 idle streams; takes minutes

Each server runs in a process of its own; the client asks both in turn, round after round. The ratio holds on any
machine, the times do not. Without dragoman-http2 only grpcio's server is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import itertools
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import uvloop
from dragoman_service.engine.deadlines import Deadlines
from dragoman_service.settings.access import AccessSettings
from dragoman_service.settings.server import ServerSettings
from dragoman_service.settings.types import Address
from dragoman_service.telemetry.calls.rpc import RpcTelemetry
from dragoman_service.telemetry.log import configure
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.transport.auth import Auth
from dragoman_service.transport.grpc.guard import Guard
from dragoman_service.transport.grpc.server import GrpcServer
from dragoman_service.transport.in_flight import InFlight
from grpc import aio

SERVERS = ("grpcio", "native")
ROUNDS, IN_FLIGHT, CALLS, MESSAGES = 5, 32, 3200, 8000
SOAK = {"call": 200_000, "idle stream": 5000}
CHANNELS, SOAK_IN_FLIGHT = 8, 100
CANCELLED = 4  # one of so many calls; if nearly all were, the native server would end the connection as a flood
PAYLOAD = b"x" * 100
Ask = Callable[[aio.Channel], Awaitable[int]]


async def echo(request: bytes, _: Any) -> bytes:
    return request


async def count(request: bytes, _: Any) -> AsyncIterator[bytes]:
    for _number in range(int(request)):
        yield PAYLOAD
        await asyncio.sleep(0)  # as if each came from an upstream


async def wait(_: bytes, __: Any) -> AsyncIterator[bytes]:
    yield PAYLOAD
    await asyncio.Event().wait()


async def cpu(_: bytes, __: Any) -> bytes:
    return str(time.process_time()).encode()


HANDLERS: dict[str, Any] = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Wait": grpc.unary_stream_rpc_method_handler(wait),
    "Cpu": grpc.unary_unary_rpc_method_handler(cpu),
}


async def serve(server: str, guarded: bool) -> None:
    """Prints the port, and serves until stdin ends."""
    handler = grpc.method_handlers_generic_handler("bench.Bench", HANDLERS)
    if guarded:
        configure("error", "json", lambda: None, sys.stderr)
        auth = Auth(AccessSettings(), anonymous=True)
        guard = Guard(auth, RpcTelemetry(Metrics()), InFlight(), Deadlines(), 1024**2, 60.0)
        settings = ServerSettings(grpc=Address("127.0.0.1", 0), transport=server)
        ours = GrpcServer(settings, guard)
        ours.server.add_generic_rpc_handlers((handler,))
        port = (await ours.start()).port
    elif server == "native":
        from dragoman_service.transport.native.server import Server

        native = Server()
        native.add_generic_rpc_handlers((handler,))
        port = await native.listen("127.0.0.1", 0)
    else:
        bare = aio.server()
        bare.add_generic_rpc_handlers((handler,))
        port = bare.add_insecure_port("127.0.0.1:0")
        await bare.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def started(server: str, guarded: bool) -> AsyncIterator[tuple[int, str]]:
    """The process and the address of a server."""
    command = [__file__, "--serve", server, *(["--guarded"] if guarded else [])]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.pid, f"127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def connected(server: str, guarded: bool) -> AsyncIterator[aio.Channel]:
    async with started(server, guarded) as (_, address), aio.insecure_channel(address) as channel:
        yield channel


async def unary(channel: aio.Channel) -> int:
    ask: Any = channel.unary_unary("/bench.Bench/Echo")

    async def several() -> None:
        for _ in range(CALLS // IN_FLIGHT):
            await ask(PAYLOAD, timeout=60)

    await asyncio.gather(*(several() for _ in range(IN_FLIGHT)))
    return CALLS


async def streamed(channel: aio.Channel) -> int:
    received = 0
    counted: Any = channel.unary_stream("/bench.Bench/Count")
    async for _ in counted(b"%d" % MESSAGES):
        received += 1
    return received


LOADS: dict[str, Ask] = {"call": unary, "message": streamed}


async def measure(servers: list[str], guarded: bool) -> dict[tuple[str, str], float]:
    """The median of the CPU time in µs, by load and server."""
    found: dict[tuple[str, str], list[float]] = {}
    async with AsyncExitStack() as stack:
        channels = {server: await stack.enter_async_context(connected(server, guarded)) for server in servers}
        for number in range(ROUNDS + 1):
            for load, ask in LOADS.items():
                for server, channel in channels.items():
                    used: Any = channel.unary_unary("/bench.Bench/Cpu")
                    before = float(await used(b""))
                    done = await ask(channel)
                    took = (float(await used(b"")) - before) / done * 1e6
                    if number:  # the first round warms up
                        found.setdefault((load, server), []).append(took)
    return {key: statistics.median(values) for key, values in found.items()}


async def soaked(server: str, guarded: bool) -> dict[str, int]:
    """Bytes by which the server has grown, by load, after a tenth of it has warmed the server up."""
    grown, kept, numbers = {}, list[Any](), itertools.count()
    async with started(server, guarded) as (process, address), AsyncExitStack() as stack:
        apart = [("grpc.use_local_subchannel_pool", 1)]
        opened = [aio.insecure_channel(address, options=apart) for _ in range(CHANNELS)]
        channels = [await stack.enter_async_context(channel) for channel in opened]

        async def one(load: str, channel: Any) -> None:
            if load == "call" and next(numbers) % CANCELLED:
                await channel.unary_unary("/bench.Bench/Echo")(PAYLOAD, timeout=600)
                return
            call = channel.unary_stream("/bench.Bench/Wait")(PAYLOAD)
            await call.read()
            call.cancel() if load == "call" else kept.append(call)

        async def several(load: str, count: int, number: int) -> None:
            for _ in range(count // SOAK_IN_FLIGHT):
                await one(load, channels[number % CHANNELS])

        for load, total in SOAK.items():
            for count in (total // 10, total):
                before = resident(process)
                await asyncio.gather(*(several(load, count, number) for number in range(SOAK_IN_FLIGHT)))
                await asyncio.sleep(1)  # until what was cancelled is gone
            grown[load] = resident(process) - before
    return grown


def resident(process: int) -> int:
    """The resident memory of a process, in bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def soak(servers: list[str], guarded: bool) -> None:
    found = {server: uvloop.run(soaked(server, guarded)) for server in servers}
    print(f"{'growth of memory':24}" + "".join(f"{server:>24}" for server in servers))
    for load, count in SOAK.items():
        costs = (f"{found[server][load] / count:,.0f} B, {found[server][load] / 2**20:.1f} MiB" for server in servers)
        print(f"{count:>7,} × {load:14}" + "".join(f"{cost:>24}" for cost in costs))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures what an echo costs both gRPC servers.")
    parser.add_argument("--guarded", action="store_true", help="behind the guard of the service")
    parser.add_argument("--soak", action="store_true", help="growth of memory, with a quarter of the calls cancelled")
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve(options.serve, options.guarded))
        return
    there = importlib.util.find_spec("dragoman_http2") is not None
    servers = list(SERVERS) if there else ["grpcio"]
    if options.soak:
        soak(servers, options.guarded)
        return
    found = uvloop.run(measure(servers, options.guarded))
    print(f"{'CPU of the server, µs':24}" + "".join(f"{server:>10}" for server in servers) + f"{'ratio':>10}")
    for load in LOADS:
        costs = [found[load, server] for server in servers]
        shown = "".join(f"{cost:10.1f}" for cost in costs) + (f"{costs[0] / costs[1]:10.1f}" if there else "")
        print(f"a {load:22}{shown}")


if __name__ == "__main__":
    main()
