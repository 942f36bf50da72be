"""The service as a process: signals, exit codes, and operations that survive SIGKILL."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager

import grpc
import pytest
from dragoman import v1
from google.longrunning import operations_pb2, operations_pb2_grpc

LONG = "word " * 2000
SHORT = "a b c d e f g h"


class Server:
    """A started `dragoman serve`."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    async def exit_code(self) -> int:
        """Waits for its end."""
        async with asyncio.timeout(20):
            return await self.process.wait()


@pytest.fixture
def serve(tmp_path):
    """Starts the real command with the echo provider, which takes 50 ms per token."""
    settings = tmp_path / "dragoman.toml"
    log = (tmp_path / "log").open("ab")

    @asynccontextmanager
    async def start(grace: str = "10s", drain_delay: str = "0s"):
        settings.write_text(
            f'[server]\ngrpc = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\ndata_dir = "data"\n'
            f'grace = "{grace}"\ndrain_delay = "{drain_delay}"\n'
            '[operations]\nlease = "1s"\n[providers.echo]\ndelay = "50ms"\n'
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dragoman_service", "serve", "--config", str(settings)),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            async with asyncio.timeout(20):
                name, address = (await process.stdout.readline()).decode().split()
            assert name == "grpc"
            yield Server(process, address)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    yield start
    log.close()


def metadata_of(operation: operations_pb2.Operation) -> v1.CompletionOperationMetadata:
    metadata = v1.CompletionOperationMetadata()
    operation.metadata.Unpack(metadata)
    return metadata


async def test_sigterm_lets_a_short_stream_finish_and_exits_with_0(serve, prompt):
    async with serve() as server, grpc.aio.insecure_channel(server.address) as channel:
        stream = aiter(v1.CompletionServiceStub(channel).StreamCompletion(prompt(SHORT)))
        await anext(stream)
        server.send(signal.SIGTERM)
        rest = [event async for event in stream]
        code = await server.exit_code()

    assert rest[-1].finished.completion.choices[0].message.parts[0].text == SHORT
    assert code == 0


async def test_sigterm_ends_a_long_stream_and_requeues_a_running_operation(serve, prompt):
    async with serve(grace="300ms") as server, grpc.aio.insecure_channel(server.address) as channel:
        stub = v1.CompletionServiceStub(channel)
        operation = await stub.StartCompletion(v1.StartCompletionRequest(request=prompt(SHORT * 3)))
        stream = aiter(stub.StreamCompletion(prompt(LONG)))
        events = [await anext(stream)]
        server.send(signal.SIGTERM)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for event in stream:
                events.append(event)
        code = await server.exit_code()
    async with serve() as server, grpc.aio.insecure_channel(server.address) as channel:
        operations = operations_pb2_grpc.OperationsStub(channel)
        done = await operations.WaitOperation(operations_pb2.WaitOperationRequest(name=operation.name))

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert events[-1].WhichOneof("event") == "finished"
    assert code == 0
    assert metadata_of(done).state == v1.CompletionOperationMetadata.STATE_SUCCEEDED
    assert metadata_of(done).attempts == 2


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_everything_at_once(serve, prompt, first):
    async with serve(grace="60s", drain_delay="60s") as server, grpc.aio.insecure_channel(server.address) as channel:
        stream = aiter(v1.CompletionServiceStub(channel).StreamCompletion(prompt(LONG)))
        await anext(stream)
        server.send(first)
        await anext(stream)
        await asyncio.sleep(1.1)  # sooner it would be the same request again
        server.send(signal.SIGTERM)
        code = await server.exit_code()

    assert code == 1


async def test_operations_survive_sigkill(serve, prompt):
    async with serve() as server, grpc.aio.insecure_channel(server.address) as channel:
        stub = v1.CompletionServiceStub(channel)
        requests = [v1.StartCompletionRequest(request=prompt(f"number {n} {SHORT}")) for n in range(8)]
        names = [(await stub.StartCompletion(request)).name for request in requests]
        operations = operations_pb2_grpc.OperationsStub(channel)
        async with asyncio.timeout(10):
            while not metadata_of(
                await operations.GetOperation(operations_pb2.GetOperationRequest(name=names[0]))
            ).output_characters:
                await asyncio.sleep(0.02)
        server.send(signal.SIGKILL)
        await server.exit_code()
    async with serve() as server, grpc.aio.insecure_channel(server.address) as channel:
        operations = operations_pb2_grpc.OperationsStub(channel)
        waits = [operations.WaitOperation(operations_pb2.WaitOperationRequest(name=name)) for name in names]
        done = [await wait for wait in waits]

    for number, operation in enumerate(done):
        completion = v1.Completion()
        operation.response.Unpack(completion)
        assert completion.choices[0].message.parts[0].text == f"number {number} {SHORT}"
    assert metadata_of(done[0]).attempts == 2  # it was running
