"""Calls of a client of grpcio to a native server."""

from __future__ import annotations

import asyncio
import logging

import grpc
import pytest
from dragoman_service.transport.native import lanes
from dragoman_service.transport.native.lanes import TURN
from raw_http2 import DATA, END_STREAM, HEADERS, frame, message, opened, request
from waiting import until

IDENTITY = [("grpc.max_receive_message_length", -1)]


@pytest.fixture
async def serving(native):
    return await native()


@pytest.fixture
async def odd(serving):
    async with grpc.aio.insecure_channel(serving.address, options=IDENTITY) as channel:
        yield lambda kind, name: getattr(channel, kind)(f"/odd.Odd/{name}")


async def test_all_four_kinds(odd):
    async def three():
        for part in (b"a", b"b", b"c"):
            yield part

    assert await odd("unary_unary", "Unary")(b"hi") == b"hi"
    assert [part async for part in odd("unary_stream", "Stream")(b"3")] == [b"0", b"1", b"2"]
    assert await odd("stream_unary", "Collect")(three()) == b"a,b,c"
    assert [part async for part in odd("stream_stream", "Both")(three())] == [b"a", b"b", b"c"]


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
async def test_messages_of_any_size(odd, size):
    assert await odd("unary_unary", "Unary")(b"x" * size) == b"x" * size


async def test_metadata_both_ways(odd):
    call = odd("unary_unary", "Tell")(b"", metadata=[("x-a", "b"), ("x-b-bin", b"\0\1")])
    said = (await call).decode()

    assert "('x-a', 'b')" in said
    assert "('x-b-bin', b'\\x00\\x01')" in said
    assert tuple(await call.initial_metadata()) == (("x-first", "1"),)
    assert tuple(await call.trailing_metadata()) == (("x-last", "2"), ("x-last-bin", b"\0\xff"))


async def test_a_status_with_its_message_and_trailers(odd, refused):
    refusal = await odd("unary_unary", "Refuse")(b"").code()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await odd("unary_unary", "Refuse")(b"")

    assert refusal is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "né\n%"
    assert ("x-bin", b"\0\1") in tuple(caught.value.trailing_metadata())


async def test_a_bug_tells_the_log_and_not_the_caller(odd, caplog):
    with caplog.at_level(logging.ERROR), pytest.raises(grpc.aio.AioRpcError) as caught:
        await odd("unary_unary", "Fail")(b"")

    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert "secret" not in caught.value.details()
    assert "secret" in caplog.text


async def test_unknown_methods_are_unimplemented(odd, serving):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await odd("unary_unary", "Nothing")(b"")

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_gzip_both_ways(odd):
    assert await odd("unary_unary", "Pack")(b"abc", compression=grpc.Compression.Gzip) == b"abc" * 1000
    assert await odd("unary_unary", "Unary")(b"abc" * 999, compression=grpc.Compression.Deflate) == b"abc" * 999


async def test_too_large_a_message_ends_its_call_alone(odd):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await odd("unary_unary", "Unary")(b"x" * 5_000_000)

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await odd("unary_unary", "Unary")(b"next") == b"next"


async def test_a_deadline_ends_the_handler(odd, serving):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await odd("unary_unary", "Wait")(b"", timeout=0.1)
    await until(lambda: serving.handlers.cancelled)

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert serving.handlers.cancelled[0].time_remaining() == 0


async def test_a_server_ends_a_call_at_its_deadline_by_itself(serving):
    async with opened(serving.address) as (_, writer):
        writer.write(request(b"/odd.Odd/Wait", [(b"grpc-timeout", b"50m")]) + message())
        await until(lambda: serving.handlers.over)

    assert serving.handlers.cancelled


async def test_a_caller_who_cancels_ends_the_handler(odd, serving):
    call = odd("unary_unary", "Wait")(b"")
    await until(lambda: serving.handlers.begun)
    call.cancel()
    await until(lambda: serving.handlers.cancelled)

    assert serving.handlers.cancelled[0].cancelled()
    assert serving.handlers.over == serving.handlers.cancelled


async def test_a_lost_connection_ends_its_handlers(serving):
    async with opened(serving.address) as (_, writer):
        for stream in (1, 3, 5):
            writer.write(request(b"/odd.Odd/Wait", stream=stream) + message(stream=stream))
        await until(lambda: serving.handlers.begun == 3)
    await until(lambda: len(serving.handlers.cancelled) == 3)

    assert serving.server.connections == 0


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The flags and the fields of the first response."""
    async with asyncio.timeout(5):
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == HEADERS:
                return head[4], payload


@pytest.mark.parametrize(
    "ending",
    [b"\0\0\0\0\5hel", b"", b"\1\0\0\0\1x"],
    ids=["half a message", "no message", "compressed"],
)
async def test_what_is_no_request_is_answered_with_a_status_alone(serving, ending):
    async with opened(serving.address) as (reader, writer):
        writer.write(request(b"/odd.Odd/Unary") + frame(DATA, END_STREAM, 1, ending))
        flags, _ = await answered(reader)

    assert flags & END_STREAM


async def test_a_call_without_a_message_is_refused(odd):
    async def nothing():
        return
        yield b""

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await odd("stream_unary", "Unary")(nothing())

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_unary_call_with_two_messages_is_refused(odd):
    async def two():
        yield b"1"
        yield b"2"

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await odd("stream_unary", "Unary")(two())

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_what_is_not_grpc_is_answered_with_a_status_of_http(serving):
    async with opened(serving.address) as (reader, writer):
        writer.write(request(b"/odd.Odd/Unary", content_type=b"application/json") + message())
        _, fields = await answered(reader)

    assert b"415" in fields


async def test_calls_that_would_wait_too_long_are_refused_at_once_and_others_are_served(native):
    serving = await native(max_waiting=2)
    count = 100
    async with opened(serving.address) as (reader, writer):
        streams = range(1, 2 * count, 2)
        writer.write(b"".join(request(b"/odd.Odd/Wait", stream=one) + message(stream=one) for one in streams))
        refused = 0
        async with asyncio.timeout(5):
            while refused + serving.handlers.begun < count:
                flags, _ = await answered(reader)
                refused += bool(flags & END_STREAM)
        writer.write(request(b"/odd.Odd/Unary", stream=201) + message(stream=201))
        flags, _ = await answered(reader)

    assert TURN + 2 <= serving.handlers.begun < count
    assert not flags & END_STREAM, "another method has a lane of its own"
    assert serving.server.waiting == 0


async def test_a_burst_that_fits_is_served_in_turn(native):
    serving = await native()
    async with grpc.aio.insecure_channel(serving.address) as channel:
        echo = channel.unary_unary("/odd.Odd/Unary")
        answers = await asyncio.gather(*(echo(b"%d" % number) for number in range(500)))

    assert answers == [b"%d" % number for number in range(500)]


class Broken(grpc.GenericRpcHandler):
    def service(self, handler_call_details):
        raise RuntimeError("secret")


async def test_a_generic_handler_that_raises_harms_its_call_alone(odd, serving, caplog):
    serving.server.add_generic_rpc_handlers((Broken(),))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await odd("unary_unary", "Nothing")(b"")

    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert "secret" in caplog.text
    assert await odd("unary_unary", "Unary")(b"next") == b"next"


async def test_lanes_of_paths_that_are_not_called_again_are_forgotten(serving, monkeypatch):
    class Any(grpc.GenericRpcHandler):
        def service(self, handler_call_details):
            return grpc.unary_unary_rpc_method_handler(serving.handlers.unary)

    monkeypatch.setattr(lanes, "MOST", 5)
    serving.server.add_generic_rpc_handlers((Any(),))
    async with grpc.aio.insecure_channel(serving.address) as channel:
        for number in range(20):
            assert await channel.unary_unary(f"/any/{number}")(b"x") == b"x"

    await until(lambda: len(serving.server._lanes._lanes) <= 6)
