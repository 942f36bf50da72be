"""The private parts of grpc.aio that transport/grpc uses: a version that changes them fails here first."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from dragoman_service.transport.grpc.gate import arrived_and_ended, newest_server
from dragoman_service.transport.grpc.listeners.grpcio import is_running
from grpc import aio
from raw_http2 import message, opened, request, send
from waiting import until

WHERE = f"grpcio {grpc.__version__} has changed; see transport/grpc/listeners/grpcio.py and gate.py"


async def test_a_server_tells_whether_its_main_loop_runs():
    server = aio.server()
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    before = is_running(server)
    await server.start()
    started = is_running(server)
    await send(address, b"/a/\xff")
    await asyncio.sleep(0.1)
    failed = is_running(server)
    await server.stop(None)

    assert (before, started, failed) == (False, True, False), WHERE


async def test_waiting_for_the_end_of_a_failed_server_lasts_as_long_as_a_connection_is_open():
    server = aio.server()
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    end = asyncio.ensure_future(server.wait_for_termination())
    async with opened(address) as (_, writer):
        writer.write(request(b"/a/\xff") + message())
        await asyncio.sleep(0.2)
        failed, waits = not is_running(server), not end.done()
    await server.stop(None)
    (error,) = await asyncio.gather(end, return_exceptions=True)

    assert (failed, waits, type(error)) == (True, True, UnicodeDecodeError), WHERE


async def test_a_server_closes_connections_over_its_limit():
    server = aio.server(options=[("grpc.max_allowed_incoming_connections", 2)])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with opened(address) as (first, _), opened(address) as (second, _), opened(address) as (third, _):
        heads = [await reader.read(9) for reader in (first, second, third)]
    await server.stop(None)

    assert [bool(head) for head in heads] == [True, True, False], WHERE


async def test_core_counts_the_calls_that_no_handler_was_given_yet():
    gate = asyncio.Event()

    async def wait(_: object, __: object) -> bytes:
        await gate.wait()
        return b""

    server = aio.server()
    number = newest_server()
    handlers = {"Wait": grpc.unary_unary_rpc_method_handler(wait)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.A", handlers),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    other = aio.server()
    async with aio.insecure_channel(address) as channel:
        calls = [asyncio.ensure_future(channel.unary_unary("/a.A/Wait")(b"")) for _ in range(3)]
        await until(lambda: arrived_and_ended(number) == (3, 0))
        gate.set()
        await asyncio.gather(*calls)
        await until(lambda: arrived_and_ended(number) == (3, 3))
    newer = newest_server()
    await server.stop(None)
    await other.stop(None)

    assert newer > number, WHERE


@pytest.mark.parametrize("limit", [2])
async def test_core_ends_calls_beyond_the_waiting_ones_in_cancelled(limit):
    server = aio.server(
        options=[
            ("grpc.server.max_pending_requests", limit),
            ("grpc.server.max_pending_requests_hard_limit", limit + 1),
        ]
    )
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with opened(address) as (reader, writer):
        await asyncio.sleep(0.2)
        writer.write(b"".join(request(b"/a/B", stream=one) + message(stream=one) for one in range(1, 41, 2)))
        await writer.drain()
        time.sleep(0.3)  # noqa: ASYNC251 - so that the server's loop takes none meanwhile
        await asyncio.sleep(0.3)
        said = await reader.read(100_000)
    await server.stop(None)

    assert said.count(b"CANCELLED") > 20 - 2 * limit - 4, WHERE
