"""How connections end, and what they hold meanwhile."""

from __future__ import annotations

import asyncio
import ssl

import grpc
import pytest
import trustme
from raw_http2 import ACK, GOAWAY, HEADERS, PING, SETTINGS, WINDOW_UPDATE, frame, message, opened, request
from waiting import until

ENDLESS = 2**31 - 1


async def frames(reader: asyncio.StreamReader, *kinds: int):
    """The frames of these kinds, as kind, flags and payload."""
    with_end = False
    while not with_end:
        try:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        if head[3] in kinds:
            yield head[3], head[4], payload


@pytest.mark.parametrize("said", [b"", b"PRI * HTT"], ids=["nothing", "a part of the preface"])
async def test_who_says_nothing_is_closed(native, said):
    serving = await native(handshake_timeout=0.2, keepalive_time=0.3, keepalive_timeout=0.2, max_idle=0.2)
    reader, writer = await asyncio.open_connection(*serving.address.split(":"))
    writer.write(said)
    async with asyncio.timeout(10):
        await reader.read(-1)
    writer.close()

    assert serving.server.connections == 0


async def test_a_frozen_peer_is_closed_and_its_calls_end(native):
    serving = await native(keepalive_time=0.1, keepalive_timeout=0.1)
    async with opened(serving.address) as (reader, writer):
        writer.write(request(b"/odd.Odd/Wait") + message())
        await until(lambda: serving.handlers.cancelled)
        pings = [1 async for _, flags, _ in frames(reader, PING) if not flags & ACK]

    assert pings == [1]
    assert serving.server.connections == 0


async def test_a_silent_peer_who_answers_pings_stays(native):
    serving = await native(keepalive_time=0.1, keepalive_timeout=1.0)
    async with grpc.aio.insecure_channel(serving.address) as channel:
        call = channel.unary_unary("/odd.Odd/Wait")(b"")
        await until(lambda: serving.handlers.begun)
        await asyncio.sleep(1.5)

        assert not call.done()
        call.cancel()


async def test_an_idle_connection_goes_and_the_next_call_opens_another(native):
    serving = await native(max_idle=0.1)
    async with grpc.aio.insecure_channel(serving.address) as channel:
        for _ in range(2):
            assert await channel.unary_unary("/odd.Odd/Unary")(b"hi") == b"hi"
            await until(lambda: serving.server.connections == 0)


async def test_an_old_connection_is_told_twice_and_loses_no_call(native):
    serving = await native(max_age=0.1)
    async with opened(serving.address) as (reader, writer), asyncio.timeout(10):
        said = frames(reader, GOAWAY, PING, HEADERS)
        _, _, notice = await anext(said)
        _, _, probe = await anext(said)
        writer.write(request(b"/odd.Odd/Unary") + message() + frame(PING, ACK, 0, probe))
        rest = [(kind, payload) async for kind, _, payload in said]

    assert int.from_bytes(notice[:4], "big") == ENDLESS
    assert int.from_bytes(dict(rest)[GOAWAY][:4], "big") == 1
    assert sum(kind == HEADERS for kind, _ in rest) == 2, "the call that was on its way has its answer"


async def test_calls_of_an_old_connection_have_their_grace(native):
    serving = await native(max_age=0.1, age_grace=0.2)
    async with grpc.aio.insecure_channel(serving.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/odd.Odd/Wait")(b"")

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert serving.handlers.cancelled


async def test_connections_over_the_limit_are_closed(native):
    serving = await native(max_connections=2)
    async with (
        opened(serving.address) as (first, _),
        opened(serving.address) as (second, _),
        opened(serving.address) as (third, _),
    ):
        heads = [await reader.read(9) for reader in (first, second)]
        with pytest.raises(ConnectionError):
            raise ConnectionResetError if await third.read(9) == b"" else AssertionError

    assert all(heads)


@pytest.mark.parametrize("grace", [None, 0.2])
async def test_a_stop_ends_what_runs_and_waits_for_its_end(native, grace):
    serving = await native()
    async with grpc.aio.insecure_channel(serving.address) as channel:
        quick = channel.unary_unary("/odd.Odd/Unary")
        await quick(b"")
        call = channel.unary_unary("/odd.Odd/Wait")(b"")
        await until(lambda: serving.handlers.begun)
        await serving.server.stop(grace)
        ended = list(serving.handlers.cancelled)
        code = await call.code()

    assert ended
    assert code is grpc.StatusCode.UNAVAILABLE
    assert (serving.server.listening, serving.server.connections) == (False, 0)


async def test_a_caller_who_does_not_read_holds_the_handler_up(native):
    serving = await native(high_water=10_000, low_water=5_000)
    written = 0

    async def stream(_: bytes, context) -> None:
        nonlocal written
        for _number in range(100):
            await context.write(b"x" * 20_000)
            written += 1

    handlers = {"Much": grpc.unary_stream_rpc_method_handler(stream)}
    serving.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("odd.More", handlers),))
    async with opened(serving.address) as (_, writer):
        writer.write(request(b"/odd.More/Much") + message())
        await until(lambda: written == 3)
        await asyncio.sleep(0.1)
        held = written
        window = (20_005).to_bytes(4, "big")
        writer.write(frame(WINDOW_UPDATE, 0, 0, window) + frame(WINDOW_UPDATE, 0, 1, window))
        await until(lambda: written == 4)

    assert held == 3, "three messages fill the window of 64 KiB, and the fourth waits"


async def test_a_handler_who_does_not_read_holds_the_caller_up(native):
    serving = await native(stream_window=65_535)
    sent = 0

    async def requests():
        nonlocal sent
        for _ in range(1000):
            yield b"x" * 10_000
            sent += 1

    async def wait(incoming, context) -> bytes:
        await asyncio.sleep(3600)
        return b""

    handlers = {"Deaf": grpc.stream_unary_rpc_method_handler(wait)}
    serving.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("odd.More", handlers),))
    async with grpc.aio.insecure_channel(serving.address) as channel:
        call = channel.stream_unary("/odd.More/Deaf")(requests())
        await asyncio.sleep(0.3)
        call.cancel()

    assert 5 <= sent < 100


async def test_tls_with_a_certificate(native):
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    serving = await native(tls=context)
    credentials = grpc.ssl_channel_credentials(ca.cert_pem.bytes())
    async with grpc.aio.secure_channel(serving.address, credentials) as channel:
        answers = [await channel.unary_unary("/odd.Odd/Unary")(b"x" * size) for size in (1, 200_000)]

    assert [len(answer) for answer in answers] == [1, 200_000]


async def test_a_peer_who_speaks_no_http2_is_closed(native):
    serving = await native()
    reader, writer = await asyncio.open_connection(*serving.address.split(":"))
    writer.write(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
    async with asyncio.timeout(5):
        said = [kind async for kind, _, _ in frames(reader, SETTINGS, GOAWAY)]
    writer.close()

    assert said[0] == SETTINGS
