"""Starts all targets: the gateways, the bare server and the direct calls."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from grpc import aio

from relaying.litellm import VERSION, litellm
from relaying.processes import Program, on_core, started, started_module
from relaying.targets import GrpcPeer, HttpPeer, Target

_SETTINGS = """\
[server]
grpc = "127.0.0.1:0"
http = "127.0.0.1:0"
data_dir = "{folder}"

[log]
format = "json"

[providers.upstream]
plugin = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key = {{ env = "BENCH_KEY" }}
models = ["bench"]
"""
DIRECT, BARE, GRPC, HTTP = "direct", "bare grpc.aio echo", "dragoman, gRPC", "dragoman, HTTP"
LITELLM = f"LiteLLM {VERSION}"
MODEL = "upstream/bench"


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
async def targets(folder: Path, cores: tuple[int, int], *, with_litellm: bool) -> AsyncIterator[Started]:
    """Starts the stand-in on the first of `cores`, where the client runs too, and the gateways on the second."""
    client, gateway = cores
    async with AsyncExitStack() as stack:
        stack.enter_context(on_core(client))
        upstream = await stack.enter_async_context(started_module("relaying.standin", client))
        port = int(await upstream.line())
        bare = await stack.enter_async_context(started_module("relaying.bare", gateway))
        ours = await stack.enter_async_context(_dragoman(folder, port, gateway))
        others = []
        if with_litellm:
            program, peer = await stack.enter_async_context(litellm(folder, port, gateway))
            others.append(Target(LITELLM, peer, program))
        # Only now, because a process must not start others once it has gRPC channels.
        echo = Target(BARE, await _grpc(stack, f"127.0.0.1:{await bare.line()}", "bench"), bare)
        direct = Target(DIRECT, HttpPeer(port, "bench"), None)
        yield Started(upstream, [direct, echo, *await _ours(stack, ours), *others])


@asynccontextmanager
async def _dragoman(folder: Path, upstream: int, core: int) -> AsyncIterator[Program]:
    """Starts Dragoman with its default options. Its log goes to a file."""
    settings = folder / "dragoman.toml"
    settings.write_text(_SETTINGS.format(folder=folder, upstream=upstream))
    command = (sys.executable, "-m", "dragoman_service", "serve", "--config", str(settings))
    log = folder / "dragoman.log"
    async with started(*command, core=core, env={"BENCH_KEY": "bench"}, log=log) as program:
        yield program


async def _ours(stack: AsyncExitStack, program: Program) -> list[Target]:
    """Returns Dragoman's gRPC listener as a target, and its HTTP listener if that serves chat completions."""
    addresses = dict([(await program.line()).split() for _ in range(2)])
    found = [Target(GRPC, await _grpc(stack, addresses["grpc"], MODEL), program)]
    http = HttpPeer(int(addresses["http"].rpartition(":")[2]), MODEL)
    if await http.serves():
        found.append(Target(HTTP, http, program))
    return found


async def _grpc(stack: AsyncExitStack, address: str, model: str) -> GrpcPeer:
    return GrpcPeer(await stack.enter_async_context(aio.insecure_channel(address)), model)
