"""Measures what hostile callers and upstreams cost the others: the longest wait of a health check, and memory.

    python bench/hostile.py            # all attacks, about two minutes
    python bench/hostile.py readers    # those whose names contain the word

Each attack meets a fresh service with default settings. A probe in a process of its own asks for health meanwhile; its
longest waits include those for a busy core, so run this on a quiet machine. docs/limits.md has the figures. Linux only.
`make bench` runs it too.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from attacking.requests import bodies, crowded_metadata, messages
from dragoman import v1
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc import aio
from relaying.processes import Program, started, started_module

SETTINGS = """\
[server]
grpc = "127.0.0.1:0"
http = "127.0.0.1:0"
data_dir = "{folder}"
[providers.echo]
[providers.up]
plugin = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
models = ["blank", "comment", "id", "character", "text", "logprobs", "long"]
"""
CREATE = "/dragoman.v1.CompletionService/CreateCompletion"
UNBOUNDED = ("grpc.max_receive_message_length", -1)
NARROW = ("grpc.http2.bdp_probe", 0)  # a client whose window does not grow
LASTS = 4.0  # seconds of an attack that does not end by itself
SERVICE_CORE, OTHER_CORE = 0, 1


@dataclass(frozen=True, slots=True)
class Target:
    """The service under attack."""

    program: Program
    grpc: str
    http: str

    def channel(self, number: int, *options: tuple[str, int]) -> Any:
        """A connection of its own."""
        return aio.insecure_channel(self.grpc, [("number", number), *options])


Attack = Callable[[Target], Awaitable[object]]


def attacks() -> Iterator[tuple[str, Attack]]:
    """Names, and functions that attack."""
    for name, path, body in bodies():
        yield f"HTTP: {name}", partial(post, path, body)
    for name, raw in messages():
        yield f"gRPC: {name}", partial(send, 1, raw)
    yield "gRPC: 40 messages of 23 MiB", partial(send, 40, b"\x1a\x00" * (23 * 2**19))
    yield "gRPC: 400,000 metadata fields", crowd
    for kind in ("blank", "comment", "id", "character"):
        yield f"upstream: 5 × {kind}", partial(stream, 5, kind)
    yield "8 answers with top_logprobs", partial(stream, 8, "logprobs")
    yield "100 streams that are not read", partial(stall, 100)
    yield "400 readers of 7 MB that do not read", partial(readers, 400)
    yield "12,000 calls on 12 connections", burst


async def post(path: str, body: bytes, target: Target) -> None:
    host, _, port = target.http.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def send(count: int, raw: bytes, target: Target) -> None:
    channels = [target.channel(number) for number in range(count)]
    calls = [channel.unary_unary(CREATE)(raw) for channel in channels]
    await asyncio.gather(*calls, return_exceptions=True)
    await asyncio.gather(*(channel.close() for channel in channels))


async def crowd(target: Target) -> None:
    host, _, port = target.grpc.rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        await asyncio.to_thread(connection.sendall, crowded_metadata())
        await asyncio.sleep(LASTS)


def prompt(model: str) -> v1.CompletionRequest:
    config = v1.GenerationConfig(choice_count=8, include_logprobs=True, top_logprobs=20)
    request = v1.CompletionRequest(model=model, messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="x")])])
    if model == "up/logprobs":
        request.generation_config.CopyFrom(config)
    return request


async def stream(count: int, kind: str, target: Target) -> None:
    async with target.channel(0, UNBOUNDED) as channel:
        stub: Any = v1.CompletionServiceStub(channel)
        calls = [stub.CreateCompletion(prompt(f"up/{kind}")) for _ in range(count)]
        await asyncio.wait([asyncio.ensure_future(_end(call)) for call in calls], timeout=2 * LASTS)


async def _end(call: Awaitable[object]) -> None:
    await asyncio.gather(call, return_exceptions=True)


async def stall(count: int, target: Target) -> None:
    async with target.channel(0, NARROW) as channel:
        stub: Any = v1.CompletionServiceStub(channel)
        calls = [stub.StreamCompletion(prompt("up/text")) for _ in range(count)]
        await asyncio.gather(*(call.read() for call in calls))
        await asyncio.sleep(LASTS)


async def readers(count: int, target: Target) -> None:
    async with target.channel(0, NARROW, UNBOUNDED) as channel:
        stub: Any = v1.CompletionServiceStub(channel)
        operation = await stub.StartCompletion(v1.StartCompletionRequest(request=prompt("up/long")))
        wait = operations_pb2_grpc.OperationsStub(channel).WaitOperation
        while not (await wait(operations_pb2.WaitOperationRequest(name=operation.name))).done:
            pass
        calls = [stub.AttachCompletion(v1.AttachCompletionRequest(name=operation.name)) for _ in range(count)]
        await asyncio.gather(*(call.read() for call in calls))
        await asyncio.sleep(LASTS)


async def burst(target: Target) -> None:
    channels = [target.channel(number) for number in range(12)]
    raw = prompt("echo").SerializeToString()
    calls = [channel.unary_unary(CREATE)(raw) for channel in channels for _ in range(1000)]
    failed = [each for each in await asyncio.gather(*calls, return_exceptions=True) if isinstance(each, Exception)]
    if failed:
        print(f"  {len(failed)} of 12,000 calls failed, one with {failed[0]}")
    await asyncio.gather(*(channel.close() for channel in channels))


async def meet(attack: Attack, folder: Path) -> tuple[str, str, str]:
    """The longest waits for health in ms, over gRPC and over HTTP, and the memory by which the service grew, in MiB."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(started_module("attacking.upstream", OTHER_CORE))
        settings = folder / "dragoman.toml"
        settings.write_text(SETTINGS.format(folder=folder, upstream=await upstream.line()))
        command = (sys.executable, "-m", "dragoman_service", "serve", "--config", str(settings))
        service = await stack.enter_async_context(started(*command, core=SERVICE_CORE, log=folder / "log"))
        addresses = dict([(await service.line()).split() for _ in range(2)])
        target = Target(service, addresses["grpc"], addresses["http"])
        asking = (sys.executable, "-m", "attacking.probe", target.grpc, target.http)
        probe = await stack.enter_async_context(started(*asking, core=OTHER_CORE))
        await probe.line()
        forget_peak(service.pid)
        before = service.memory()
        await attack(target)
        grown = peak(service.pid) - before
        probe.tell("the attack is over")
        over_grpc, over_http = (await probe.line()).split()
        return over_grpc, over_http, f"{max(0.0, grown):.0f}"


def forget_peak(pid: int) -> None:
    """From now on `peak` counts anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> float:
    """The most resident memory of a process, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def report(word: str) -> None:
    print(f"{'':44}{'longest wait for health, ms':>30}")
    print(f"{'':44}{'gRPC':>14}{'HTTP':>16}{'grown, MiB':>14}")
    for name, attack in attacks():
        if word in name:
            with tempfile.TemporaryDirectory() as folder:
                over_grpc, over_http, grown = await meet(attack, Path(folder))
            print(f"{name:44}{over_grpc:>14}{over_http:>16}{grown:>14}", flush=True)


def main() -> None:
    if not hasattr(os, "sched_setaffinity"):
        print("bench/hostile.py pins processes to cores and reads /proc: it runs on Linux only. Skipped.")
        return
    asyncio.run(report(sys.argv[1] if len(sys.argv) > 1 else ""))


if __name__ == "__main__":
    main()
