"""What the service costs beside a bare gRPC server: CPU of the server process, per call and per streamed token.

Both servers run in processes of their own and are asked in turn by the same client over loopback, so that ratios hold
on any machine. The service answers with its provider `echo`; the floor is a bare grpc.aio server that says the same
words, a message a token. Prints medians over the rounds; about 20 seconds. `make bench` runs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import uvloop
from dragoman import v1
from grpc import aio

if TYPE_CHECKING:
    from dragoman.v1.completion_service_pb2_grpc import CompletionServiceAsyncStub

ROUNDS = 3
TOKENS = [f" token{number}" for number in range(200)]
CALLS, IN_FLIGHT = 1200, 16
BURSTS = 40  # streams whose tokens come as fast as they are taken
PACED, PACE = 40, 0.01  # streams side by side, and the seconds between two tokens of one
PACED_TOKENS = 100


class Server:
    """A server in a process of its own, which tells its address first and then its CPU time whenever it is asked."""

    stub: CompletionServiceAsyncStub

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._ask, self._answers = process.stdin, process.stdout

    @classmethod
    @asynccontextmanager
    async def started(cls, kind: str) -> AsyncIterator[Server]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, __file__, kind, stdin=pipe, stdout=pipe)
        try:
            yield cls(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        async with aio.insecure_channel(await self._line()) as channel:
            self.stub = v1.CompletionServiceStub(channel)
            yield

    async def cpu(self) -> float:
        """Seconds of CPU time that its process has used so far."""
        self._ask.write(b"cpu\n")
        return float(await self._line())

    async def _line(self) -> str:
        line = await asyncio.wait_for(self._answers.readline(), 30)
        if not line:
            raise SystemExit("A server of the benchmark did not start; what it said is above.")
        return line.decode().strip()


def request(tokens: int, delay: float = 0.0) -> v1.CompletionRequest:
    """A prompt that `echo` repeats; the floor looks at its length and `echo`'s script too."""
    script = v1.Message(role=v1.ROLE_SYSTEM, parts=[v1.Part(text=f'echo: {{"delay": {delay}}}')])
    prompt = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="".join(TOKENS[:tokens]))])
    return v1.CompletionRequest(model="echo", messages=[script, prompt])


async def unary(server: Server) -> int:
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def call() -> None:
        async with gate:
            await server.stub.CreateCompletion(request(8))

    await asyncio.gather(*(call() for _ in range(CALLS)))
    return CALLS


async def burst(server: Server) -> int:
    return await read_all(server, BURSTS, request(len(TOKENS)))


async def paced(server: Server) -> int:
    return await read_all(server, PACED, request(PACED_TOKENS, PACE))


async def read_all(server: Server, streams: int, asked: v1.CompletionRequest) -> int:
    """Tokens that came over so many streams side by side; all of them, or the figures would lie."""

    async def read() -> int:
        events = [event async for event in server.stub.StreamCompletion(asked)]
        return sum(event.delta.text.count("token") for event in events)

    expected = streams * asked.messages[1].parts[0].text.count("token")
    tokens = sum(await asyncio.gather(*(read() for _ in range(streams))))
    if tokens != expected:
        raise SystemExit(f"{tokens} tokens came, {expected} were sent")
    return tokens


LOADS: dict[str, Callable[[Server], Awaitable[int]]] = {
    "unary call": unary,
    "streamed token, as fast as it is read": burst,
    f"streamed token, paced ({PACED} streams, one each {PACE * 1000:.0f} ms)": paced,
}


async def measure() -> None:
    microseconds: dict[tuple[str, str], list[float]] = {}
    async with AsyncExitStack() as stack:
        servers = {kind: await stack.enter_async_context(Server.started(kind)) for kind in ("floor", "service")}
        for server in servers.values():
            await stack.enter_async_context(server.connected())
        for turn in range(ROUNDS + 1):  # the first only warms up
            for name, load in LOADS.items():
                for kind, server in servers.items():
                    began = await server.cpu()
                    amount = await load(server)
                    if turn:
                        spent = (await server.cpu() - began) / amount
                        microseconds.setdefault((name, kind), []).append(spent * 1e6)
    show({key: statistics.median(values) for key, values in microseconds.items()})


def show(medians: dict[tuple[str, str], float]) -> None:
    print(f"{'CPU of the server process, µs':50} {'floor':>8} {'service':>8} {'ratio':>6}")
    for name in LOADS:
        floor, service = medians[name, "floor"], medians[name, "service"]
        print(f"{name:50} {floor:8.1f} {service:8.1f} {service / floor:6.2f}")


async def answer(request: v1.CompletionRequest, context: object) -> v1.Completion:
    message = v1.Message(role=v1.ROLE_ASSISTANT, parts=request.messages[1].parts)
    return v1.Completion(choices=[v1.Choice(message=message)])


async def stream(request: v1.CompletionRequest, context: object) -> AsyncIterator[v1.CompletionEvent]:
    pace = PACE if str(PACE) in request.messages[0].parts[0].text else 0.0
    for number, word in enumerate(request.messages[1].parts[0].text.split()):
        if pace:
            await asyncio.sleep(pace)
        yield v1.CompletionEvent(sequence=number, delta=v1.Delta(text=f" {word}"))


@asynccontextmanager
async def floor() -> AsyncIterator[str]:
    """The least that a Python gRPC server can do for the same answers."""
    server = aio.server()
    read, methods = v1.CompletionRequest.FromString, {}
    methods["CreateCompletion"] = grpc.unary_unary_rpc_method_handler(answer, read, v1.Completion.SerializeToString)
    methods["StreamCompletion"] = grpc.unary_stream_rpc_method_handler(
        stream, read, v1.CompletionEvent.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("dragoman.v1.CompletionService", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@asynccontextmanager
async def service() -> AsyncIterator[str]:
    from dragoman_service.app import running
    from dragoman_service.settings import load
    from dragoman_service.telemetry.log import configure

    with tempfile.TemporaryDirectory() as folder:
        configure("info", "json", lambda: None, io.StringIO())
        overrides = {
            "server.grpc": "127.0.0.1:0",
            "server.http": "127.0.0.1:0",
            "server.data_dir": folder,
            "providers": {"echo": {"plugin": "echo"}},
        }
        async with running(load(overrides=overrides)) as started:
            yield started.grpc_address


async def serve(target: Callable[[], contextlib.AbstractAsyncContextManager[str]]) -> None:
    """Runs a server until its standard input ends."""
    async with target() as address:
        print(address, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(time.process_time(), flush=True)


if __name__ == "__main__":
    servers = {"floor": floor, "service": service}
    uvloop.run(serve(servers[sys.argv[1]]) if sys.argv[1:] else measure())
