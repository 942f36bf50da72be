"""The gRPC listener is replaced when a request ends the main loop of the library's server."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress

import grpc
import pytest
from dragoman import v1
from dragoman_service.transport.choice import chosen_transport
from dragoman_service.transport.grpc.listeners.grpcio import MIN_PING_INTERVAL
from grpc_health.v1 import health_pb2, health_pb2_grpc
from raw_http import asked
from raw_http2 import ACK, PING, SETTINGS, frame, opened, send
from waiting import until

REPLACED = pytest.mark.skipif(chosen_transport("auto") != "grpcio", reason="no request ends the native server")
NOT_UTF8 = b"/dragoman.v1.ModelService/\xff"
SERVING = health_pb2.HealthCheckResponse.SERVING


async def healthy(address: str) -> bool:
    async with grpc.aio.insecure_channel(address) as channel:
        with suppress(grpc.aio.AioRpcError):
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            return answer.status == SERVING
    return False


async def page(service, path: str) -> tuple[int, str]:
    async with asked(service.http_address, "GET", path) as answer:
        return answer.status, (await answer.whole()).decode()


async def counted(service) -> str:
    _, text = await page(service, "/metrics")
    return next(line for line in text.splitlines() if line.startswith("dragoman_listener_restarts_total"))


async def test_a_client_that_pings_its_idle_connection_is_not_sent_away(start_service) -> None:
    service = await start_service()
    async with opened(service.grpc_address) as (reader, writer):
        writer.write(frame(SETTINGS, ACK, 0, b""))
        for _ in range(4):  # gRPC forgives two pings that come too early
            await asyncio.sleep(MIN_PING_INTERVAL / 1000 + 0.05)
            writer.write(frame(PING, 0, 0, b"12345678"))
        answer = frame(PING, ACK, 0, b"12345678")
        received = b""
        async with asyncio.timeout(5):
            while received.count(answer) < 4:
                received += await reader.read(4096)

    assert b"too_many_pings" not in received


async def test_unspecified_ipv6_means_all_interfaces_on_both_listeners(start_service) -> None:
    service = await start_service(
        server={"grpc": "[::]:0", "http": "[::]:0"}, access={"anonymous": True, "anonymous_listing": True}
    )
    for address in (service.grpc_address, service.http_address):
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as connection:
                connection.settimeout(5)
                await asyncio.to_thread(connection.connect, (host, int(address.rpartition(":")[2])))


@REPLACED
@pytest.mark.parametrize("attacks", [1, 5])
async def test_a_path_that_is_not_utf8_stops_the_listener_for_a_moment_only(start_service, attacks: int) -> None:
    service = await start_service()
    await until(lambda: healthy(service.grpc_address))
    assert await counted(service) == 'dragoman_listener_restarts_total{listener="grpc"} 0.0'
    for _ in range(attacks):
        await send(service.grpc_address, NOT_UTF8)
        await until(lambda: healthy(service.grpc_address))

    assert await counted(service) == f'dragoman_listener_restarts_total{{listener="grpc"}} {attacks}.0'
    assert await page(service, "/readyz") == (200, "ok\n")


async def test_calls_of_others_go_on_when_the_listener_is_replaced(start_service, prompt) -> None:
    service = await start_service({"echo": {"delay": "50ms"}})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        events = aiter(v1.CompletionServiceStub(channel).StreamCompletion(prompt("a b c d e f g h i j")))
        await anext(events)
        await send(service.grpc_address, NOT_UTF8)
        *_, last = [event async for event in events]
        again = await v1.CompletionServiceStub(channel).CreateCompletion(prompt("x"), wait_for_ready=True)

    assert last.finished.completion.choices[0].message.parts[0].text == "a b c d e f g h i j"
    assert again.choices[0].message.parts[0].text == "x"


@REPLACED
async def test_readiness_tells_that_the_grpc_listener_is_down(start_service) -> None:
    service = await start_service()
    await until(lambda: healthy(service.grpc_address))
    host, _, port = service.grpc_address.rpartition(":")
    await send(service.grpc_address, NOT_UTF8)
    with socket.socket() as squatter:  # takes the port before the listener does
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        await until(lambda: binds(squatter, host, int(port)), pause=0)
        down = await page(service, "/readyz")
        live = await page(service, "/livez")
    await until(lambda: healthy(service.grpc_address))

    assert down == (503, "the gRPC listener is down\n")
    assert live == (200, "ok\n")
    assert await page(service, "/readyz") == (200, "ok\n")


def binds(taker: socket.socket, host: str, port: int) -> bool:
    with suppress(OSError):
        taker.bind((host, port))
        taker.listen()
        return True
    return False


async def test_a_service_stops_at_once_with_calls_on_a_failed_server(start_service, prompt) -> None:
    service = await start_service({"echo": {"delay": "50ms"}})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        events = aiter(v1.CompletionServiceStub(channel).StreamCompletion(prompt("word " * 10_000)))
        await anext(events)
        await send(service.grpc_address, NOT_UTF8)
        await until(lambda: healthy(service.grpc_address))
        began = time.monotonic()
        async with asyncio.timeout(10):
            await service.drain(0, 0.2)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            async for _ in events:
                pass

    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - began < 5


@pytest.mark.skipif(chosen_transport("auto") != "native", reason="it ends the server of grpcio")
async def test_a_path_that_is_not_utf8_harms_nobody(start_service) -> None:
    service = await start_service()
    await send(service.grpc_address, NOT_UTF8)

    assert await healthy(service.grpc_address)
