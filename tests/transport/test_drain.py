"""Draining: calls under way finish or get SHUTTING_DOWN; new calls are refused."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import grpc
import pytest
from dragoman import v1
from dragoman.errors import from_rpc_error
from grpc_health.v1 import health_pb2, health_pb2_grpc
from waiting import until

SHUTTING_DOWN = (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")


async def test_a_stream_that_is_nearly_done_is_finished(start_service, prompt):
    service = await start_service({"echo": {"delay": "50ms"}})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stream = v1.CompletionServiceStub(channel).StreamCompletion(prompt("a b c d"))
        events = aiter(stream)
        first = await anext(events)
        drain = asyncio.create_task(service.drain(0, 10))
        rest = [event async for event in events]
        await drain

    assert first.WhichOneof("event") == "started"
    assert rest[-1].finished.completion.choices[0].message.parts[0].text == "a b c d"


async def test_an_endless_stream_and_call_end_in_shutting_down(start_service, prompt, refused):
    service = await start_service({"echo": {"delay": "50ms"}})
    echo = service.opened.providers["echo"]
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        whole = asyncio.ensure_future(refused(stub.CreateCompletion(prompt("word " * 10_000))))
        stream = stub.StreamCompletion(prompt("word " * 10_000))
        await until(lambda: echo.running == 2)
        drain = asyncio.create_task(service.drain(0, 0.3))
        events = []
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for event in stream:
                events.append(event)
        refusal = await whole
        await drain

    assert (refusal.code, refusal.reason) == SHUTTING_DOWN
    assert refusal.retry.retry_delay.ToMilliseconds() > 0
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert events[-1].finished.error.message == caught.value.details()
    assert echo.running == 0


async def test_new_calls_are_served_during_the_delay_and_refused_after_it(start_service, prompt, refused):
    service = await start_service({"echo": {"delay": "50ms"}})
    echo = service.opened.providers["echo"]
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        health = health_pb2_grpc.HealthStub(channel)
        held = stub.StreamCompletion(prompt("word " * 10_000))
        await until(lambda: echo.running)
        drain = asyncio.create_task(service.drain(1.0, 1.5))
        status = health_pb2.HealthCheckResponse.SERVING
        while status == health_pb2.HealthCheckResponse.SERVING:
            status = (await health.Check(health_pb2.HealthCheckRequest())).status
        served = await stub.CreateCompletion(prompt("quick"))
        refusal = None
        async with asyncio.timeout(5):
            while refusal is None:
                try:
                    await stub.CreateCompletion(prompt("x"))
                except grpc.aio.AioRpcError:
                    refusal = await refused(stub.CreateCompletion(prompt("x")))
        held.cancel()
        await drain

    assert served.choices[0].message.parts[0].text == "quick"
    assert (refusal.code, refusal.reason) == SHUTTING_DOWN


async def test_a_health_watcher_does_not_hold_the_drain_up(start_service):
    service = await start_service()
    loop = asyncio.get_running_loop()
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        before = loop.time()
        await service.drain(0, 30)
        took = loop.time() - before
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while True:
                await watch.read()

    assert took < 10
    assert (caught.value.code(), from_rpc_error(caught.value, "").reason) == SHUTTING_DOWN


async def test_no_call_of_a_busy_client_is_cut_off_without_a_word(start_service, prompt):
    service = await start_service()
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]

    async def failures() -> list[tuple[grpc.StatusCode, str]]:
        """Calls again and again, until nobody answers any more."""
        failed = []
        async with grpc.aio.insecure_channel(service.grpc_address, options) as channel:
            stub = v1.CompletionServiceStub(channel)
            while not failed or failed[-1][1]:
                try:
                    await stub.CreateCompletion(prompt("x"))
                except grpc.aio.AioRpcError as error:
                    reason = from_rpc_error(error, "").reason
                    failed.append((error.code(), reason))
        return failed

    clients = [asyncio.create_task(failures()) for _ in range(8)]
    await asyncio.sleep(0.1)
    await service.drain(0, 0)

    for client in clients:
        *refusals, last = await client
        assert set(refusals) == {SHUTTING_DOWN}
        assert last == (grpc.StatusCode.UNAVAILABLE, "")  # the port is closed


async def test_a_call_that_waits_for_a_store_ends_in_shutting_down(start_service, prompt, refused, tmp_path):
    service = await start_service(operations={"url": "sqlite:///operations.db?timeout=60"})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        with closing(sqlite3.connect(tmp_path / "operations.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            start = asyncio.ensure_future(refused(stub.StartCompletion(v1.StartCompletionRequest(request=prompt("x")))))
            await asyncio.sleep(0.2)
            drain = asyncio.create_task(service.drain(0, 0.1))
            refusal = await asyncio.wait_for(start, 10)
            other.execute("ROLLBACK")
        await drain

    assert (refusal.code, refusal.reason) == SHUTTING_DOWN
