"""Both listeners count what calls take, give it back, and refuse what does not fit into the budget."""

from __future__ import annotations

import asyncio
import socket

import grpc
import pytest
from dragoman_service.engine.budget import Budget
from dragoman_service.transport.http.call import HttpCall
from dragoman_service.transport.http.connection import SEND_BUFFER
from http_serving import LIMIT, echo
from raw_http import asked, request_bytes
from raw_http2 import message, opened, request
from waiting import until

LARGE = 300_000  # bytes; more than a client takes before it lets the server send more


async def echoed(raw: bytes, context: object) -> bytes:
    return raw


async def large(raw: bytes, context: object) -> bytes:
    return b"x" * LARGE


async def many(raw: bytes, context: object):
    for size in (1, LARGE, 1):
        yield b"x" * size


HANDLERS = {
    "Echo": grpc.unary_unary_rpc_method_handler(echoed),
    "Large": grpc.unary_unary_rpc_method_handler(large),
    "Many": grpc.unary_stream_rpc_method_handler(many),
}


async def test_a_request_for_which_there_is_no_memory_is_overloaded(guarded, refused) -> None:
    budget = Budget(2 * LIMIT, free=1024)
    address = await guarded(HANDLERS, budget=budget)
    async with grpc.aio.insecure_channel(address) as channel:
        echo_of = channel.unary_unary("/odd.Odd/Echo")
        answered = await echo_of(b"x" * (LIMIT // 2))  # the request and its answer, each twice
        await until(lambda: budget.used == 0)
        taken = budget.share()
        taken.grow(LIMIT + 1024)
        refusal = await refused(echo_of(b"x" * LIMIT))
        small = await echo_of(b"x" * 256)

    assert len(answered) == LIMIT // 2
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
    assert refusal.retry.retry_delay.ToSeconds() >= 1
    assert len(small) == 256
    assert budget.used == LIMIT


@pytest.mark.parametrize("method", ["Large", "Many"])
async def test_an_answer_that_is_not_read_counts_until_its_caller_leaves(guarded, method) -> None:
    budget = Budget(LARGE * 3)
    address = await guarded(HANDLERS, budget=budget)
    async with opened(address) as (_, writer):
        writer.write(request(f"/odd.Odd/{method}".encode()) + message())
        await until(lambda: budget.used == 2 * LARGE - budget.free)
    await until(lambda: budget.used == 0)


async def test_a_body_and_its_answer_count_over_http(serving) -> None:
    budget = Budget(2 * LIMIT, free=1024)
    served = await serving(echo, budget=budget)
    body = b'"%b"' % (b"x" * (LIMIT // 2))
    async with asked(served.address, "POST", "/ask", body) as answer:
        answered = await answer.whole()
    await until(lambda: budget.used == 0)
    taken = budget.share()
    taken.grow(LIMIT + 1024)
    async with asked(served.address, "POST", "/ask", body) as refused:
        said = await refused.json()
    async with asked(served.address, "POST", "/ask", b"[]") as small:
        await small.whole()

    assert answered == body
    assert (refused.status, said["reason"], small.status) == (503, "OVERLOADED", 200)
    assert 1 <= int(refused.headers["retry-after"]) <= 3
    assert budget.used == LIMIT


async def test_a_body_counts_while_it_comes(serving) -> None:
    budget = Budget(4 * LIMIT, free=1024)
    served = await serving(echo, budget=budget)
    host, port = served.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    whole = request_bytes("POST", "/ask", b'"%b"' % (b"x" * (LIMIT // 2)))
    writer.write(whole[:-10])
    await until(lambda: budget.used > 0)
    writer.close()
    await until(lambda: budget.used == 0)

    assert await reader.read() == b""


async def test_the_system_keeps_little_for_a_slow_reader(serving) -> None:
    sizes: list[int] = []

    async def serve(call: HttpCall) -> None:
        assert call.request.transport is not None
        raw = call.request.transport.get_extra_info("socket")
        sizes.append(raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
        await echo(call)

    served = await serving(serve)
    async with asked(served.address, "POST", "/ask", b"[]") as answer:
        await answer.whole()

    assert SEND_BUFFER <= sizes[0] <= 2 * SEND_BUFFER
