"""The private parts of grpc.aio that transport/grpc uses: a version that changes them fails here first."""

from __future__ import annotations

import asyncio

import grpc
from dragoman_service.transport.grpc.listener import is_running
from grpc import aio
from raw_http2 import message, opened, request, send

WHERE = f"grpcio {grpc.__version__} has changed; see transport/grpc/listener.py"


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
