"""Starts all targets: the gateways, the bare server and the direct calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from grpc import aio

from relaying.ours import MODEL, OURS, Own, dragoman
from relaying.peers.peer import Peer
from relaying.processes import Program, on_core, started_module
from relaying.targets import GrpcPeer, HttpPeer, Target

DIRECT, BARE = "direct", "bare grpc.aio echo"


class Started:
    """The running `targets`, and the `upstream` behind them."""

    def __init__(self, upstream: Program, targets: list[Target]) -> None:
        self.upstream = upstream
        self.targets = targets

    @property
    def programs(self) -> set[Program]:
        """The programs of the gateways."""
        return {target.program for target in self.targets if target.program}


@asynccontextmanager
async def targets(folder: Path, cores: tuple[int, int], peers: Sequence[Peer]) -> AsyncIterator[Started]:
    """Starts the stand-in on the first of `cores`, where the client runs too, and the gateways on the second."""
    client, gateway = cores
    async with AsyncExitStack() as stack:
        stack.enter_context(on_core(client))
        upstream = await stack.enter_async_context(started_module("relaying.standin", client))
        port = int(await upstream.line())
        bare = await stack.enter_async_context(started_module("relaying.bare", gateway))
        ours = await _ours(stack, folder, port, gateway)
        others = []
        for peer in peers:
            program, client_of_it = await stack.enter_async_context(peer.start(folder, port, gateway))
            others.append(Target(peer.name, client_of_it, program))
        # Only now, because a process must not start others once it has gRPC channels.
        echo = Target(BARE, await _grpc(stack, f"127.0.0.1:{await bare.line()}", "bench"), bare)
        direct = Target(DIRECT, HttpPeer(port, "bench"), None)
        listening = {server: dict([(await one.line()).split() for _ in range(2)]) for server, one in ours.items()}
        own = [await _own(stack, one, ours, listening) for one in OURS if not one.missing]
        yield Started(upstream, [direct, echo, *own, *others])


async def _ours(stack: AsyncExitStack, folder: Path, port: int, core: int) -> dict[str, Program]:
    """The service by its settings, which several targets may share."""
    servers = dict.fromkeys(own.server for own in OURS if not own.missing)
    return {
        server: await stack.enter_async_context(dragoman(folder / f"dragoman-{number}", port, core, server))
        for number, server in enumerate(servers)
    }


async def _own(
    stack: AsyncExitStack, own: Own, programs: Mapping[str, Program], listening: Mapping[str, Mapping[str, str]]
) -> Target:
    address = listening[own.server][own.listener]
    if own.listener == "grpc":
        return Target(own.name, await _grpc(stack, address, MODEL), programs[own.server])
    return Target(own.name, HttpPeer(int(address.rpartition(":")[2]), MODEL), programs[own.server])


async def _grpc(stack: AsyncExitStack, address: str, model: str) -> GrpcPeer:
    channel = await stack.enter_async_context(aio.insecure_channel(address))
    peer = GrpcPeer(channel, address, model)
    stack.push_async_callback(peer.close)
    return peer
