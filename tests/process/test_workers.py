"""Several workers share ports, metrics and operations, are replaced when they die, and end together."""

from __future__ import annotations

import asyncio
import os
import resource
import signal

import grpc
import pytest
from dragoman import v1
from dragoman_service.transport.choice import chosen_transport
from google.longrunning import operations_pb2, operations_pb2_grpc
from raw_http2 import send
from supervised import ECHO, alive, children, supervised
from waiting import until

LONG = "word " * 2000
SHORT = "a b c d e f g h"


@pytest.fixture
async def service(tmp_path):
    async with supervised(tmp_path) as service:
        await service.wait_until_serving()
        yield service


def stubs(channels):
    return [v1.CompletionServiceStub(channel) for channel in channels]


async def done(channel, name):
    operations = operations_pb2_grpc.OperationsStub(channel)
    operation = await operations.WaitOperation(operations_pb2.WaitOperationRequest(name=name))
    metadata = v1.CompletionOperationMetadata()
    operation.metadata.Unpack(metadata)
    assert metadata.state == v1.CompletionOperationMetadata.STATE_SUCCEEDED
    return metadata


async def test_connections_are_spread_and_every_worker_reports_the_sums(tmp_path, prompt):
    everywhere = 'grpc = "0.0.0.0:0"'
    async with supervised(tmp_path, f"[access]\nanonymous = true\n{ECHO}", everywhere) as service:
        await service.wait_until_serving()
        service.grpc = f"127.0.0.1:{service.grpc.partition(':')[2]}"
        async with service.channels(50) as channels:
            await asyncio.gather(*(stub.CreateCompletion(prompt("hi")) for stub in stubs(channels)))
        sums = {await service.measured("grpc_server_handled_total", "CreateCompletion") for _ in range(20)}
        gauges = [await service.measured(f"dragoman_{name}") for name in ("workers", "build_info", "inflight")]
        probes = {await service.page(path) for path in ("/livez", "/readyz") for _ in range(5)}
        await until(lambda: len(service.logged("rpc.done")) == 50)

    assert {record["worker"] for record in service.logged("rpc.done")} == {1, 2}
    assert sums == {50}
    assert gauges == [2, 1, 0]
    assert probes == {"ok\n"}


async def test_a_killed_worker_is_replaced_and_the_others_finish_its_operations(service, prompt):
    async with service.channels(20) as channels:
        requests = [v1.StartCompletionRequest(request=prompt(f"{number} " + SHORT * 10)) for number in range(16)]
        names = [
            (await stub.StartCompletion(request)).name for stub, request in zip(stubs(channels), requests, strict=False)
        ]
        streams = [aiter(stub.StreamCompletion(prompt(LONG))) for stub in stubs(channels)]
        await asyncio.gather(*(anext(stream) for stream in streams))
        under_way = await service.measured("dragoman_inflight", "StreamCompletion")
        killed = service.workers[1]
        os.kill(killed, signal.SIGKILL)
        await until(lambda: service.logged("worker.ended"))
        survivors = sum([await goes_on(stream) for stream in streams])
        left = await service.measured("dragoman_inflight", "StreamCompletion")
        served = await service.measured("grpc_server_started_total", "StreamCompletion")
        await until(lambda: service.workers[1] != killed)
        async with service.channels(1) as fresh:
            attempts = [(await done(fresh[0], name)).attempts for name in names]

    assert under_way == served == 20
    assert 0 < survivors == left < 20
    assert set(attempts) == {1, 2}
    assert await service.measured("dragoman_workers") == 2
    assert await service.measured("dragoman_worker_restarts_total") == 1
    assert alive(service.workers[1])


async def goes_on(stream) -> bool:
    try:
        for _ in range(3):
            await anext(stream)
    except grpc.aio.AioRpcError:
        return False
    return True


async def test_no_worker_outlives_a_killed_supervisor(service):
    family = list(children(service.process.pid))
    service.send(signal.SIGKILL)
    await service.exit_code()
    async with asyncio.timeout(5):
        while any(map(alive, family)) or list(service.temporary.iterdir()):
            await asyncio.sleep(0.01)

    assert sorted(family) == sorted(service.workers.values())


async def test_sigterm_drains_all_workers_even_if_every_process_receives_it(service, prompt):
    async with service.channels(20) as channels:
        streams = [aiter(stub.StreamCompletion(prompt(SHORT * 5))) for stub in stubs(channels)]
        await asyncio.gather(*(anext(stream) for stream in streams))
        for pid in (service.process.pid, *service.workers.values()):
            os.kill(pid, signal.SIGTERM)
        ends = await asyncio.gather(*(rest(stream) for stream in streams))
        code = await service.exit_code()

    assert {event.finished.completion.choices[0].message.parts[0].text for event in ends} == {SHORT * 5}
    assert {record["worker"] for record in service.logged("rpc.done")} == {1, 2}
    assert code == 0


async def rest(stream):
    return [event async for event in stream][-1]


async def test_a_second_signal_ends_all_workers_at_once(service, prompt):
    async with service.channels(10) as channels:
        streams = [aiter(stub.StreamCompletion(prompt(LONG))) for stub in stubs(channels)]
        await asyncio.gather(*(anext(stream) for stream in streams))
        service.send(signal.SIGINT)
        await asyncio.sleep(1.1)  # sooner it would be the same request again
        await until(lambda: len(service.logged("drain.started")) == 2)
        service.send(signal.SIGTERM)
        async with asyncio.timeout(5):
            code = await service.exit_code()

    assert code == 1
    assert not any(map(alive, service.workers.values()))


async def test_no_process_writes_core_dumps(service):
    for pid in (service.process.pid, *service.workers.values()):
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)


async def test_a_stopped_worker_is_replaced_within_seconds(service, prompt):
    stopped = service.workers[1]
    os.kill(stopped, signal.SIGSTOP)
    await until(lambda: service.workers[1] != stopped, 15)
    async with service.channels(20) as channels:
        answers = await asyncio.gather(*(stub.CreateCompletion(prompt("hi")) for stub in stubs(channels)))

    assert len(answers) == 20
    assert not alive(stopped)
    assert [record["worker"] for record in service.logged("worker.stopped")] == [1]


async def test_a_worker_that_is_stopped_for_a_moment_goes_on(service):
    before = service.workers
    os.kill(before[1], signal.SIGSTOP)
    await asyncio.sleep(0.7)
    os.kill(before[1], signal.SIGCONT)
    await asyncio.sleep(2.5)

    assert service.workers == before


@pytest.mark.skipif(chosen_transport("auto") != "grpcio", reason="no request ends the native server")
async def test_every_worker_replaces_a_listener_that_failed(service, prompt):
    for _ in range(6):
        await send(service.grpc, b"/dragoman.v1.ModelService/\xff")
        await asyncio.sleep(0.1)
    async with service.channels(20) as channels:
        await asyncio.gather(*(stub.CreateCompletion(prompt("hi")) for stub in stubs(channels)))

    assert await service.measured("dragoman_listener_restarts_total") == 6
    await until(lambda: len(service.logged("grpc.listener_restarted")) == 6)
    await until(lambda: {record["worker"] for record in service.logged("rpc.done")} == {1, 2})
