"""What the interceptor promises for every service behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest
from dragoman import v1
from grpc_health.v1 import health_pb2, health_pb2_grpc
from raw_http2 import send
from structlog.testing import capture_logs
from waiting import until

CREATE = "/dragoman.v1.CompletionService/CreateCompletion"


async def collect(stream) -> list[object]:
    return [event async for event in stream]


async def echo(request: bytes, context: object) -> bytes:
    return request


async def test_a_request_that_never_arrives_is_malformed(guarded, refused):
    address = await guarded({"Echo": grpc.unary_unary_rpc_method_handler(echo)}, first_message_timeout=1.0)
    held = asyncio.Event()

    async def nothing():
        await held.wait()
        yield b""

    async with grpc.aio.insecure_channel(address) as channel:
        answered = await channel.unary_unary("/odd.Odd/Echo")(b"in time")
        refusal = await refused(channel.stream_unary("/odd.Odd/Echo")(nothing()))

    assert answered == b"in time"

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")


@pytest.mark.parametrize("ends", [True, False], ids=["two messages", "no end"])
async def test_a_method_takes_one_message_and_its_end(guarded, refused, ends):
    handled, held = [], asyncio.Event()

    async def noted(request, context):
        handled.append(request)
        return request

    address = await guarded({"Echo": grpc.unary_unary_rpc_method_handler(noted)}, first_message_timeout=1.0)

    async def messages():
        yield b"one"
        if ends:
            yield b"two"
        else:
            await held.wait()

    async with grpc.aio.insecure_channel(address) as channel:
        refusal = await refused(channel.stream_unary("/odd.Odd/Echo")(messages()))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert handled == []


async def test_a_call_without_a_request_is_malformed(channel, refused):
    async def nothing():
        return
        yield b""

    refusal = await refused(channel.stream_unary(CREATE)(nothing()))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")


async def test_a_stalled_reader_gets_an_error_and_its_upstream_is_closed(start_service, prompt):
    service = await start_service({"echo": {"chunk_size": 60_000}}, server={"stall_timeout": "300ms"})
    echo = service.opened.providers["echo"]
    options = [("grpc.max_receive_message_length", -1), ("grpc.http2.bdp_probe", 0)]  # a window that does not grow
    async with grpc.aio.insecure_channel(service.grpc_address, options) as channel:
        stream = v1.CompletionServiceStub(channel).StreamCompletion(prompt("x" * 7_000_000))
        await stream.read()
        await until(lambda: not echo.running)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while await stream.read() is not grpc.aio.EOF:
                pass

    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert "not read" in caught.value.details()


async def test_a_slow_reader_who_goes_on_reading_is_not_stalled(start_service, prompt):
    service = await start_service({"echo": {"chunk_size": 60_000}}, server={"stall_timeout": "500ms"})
    options = [("grpc.max_receive_message_length", -1), ("grpc.http2.bdp_probe", 0)]
    async with grpc.aio.insecure_channel(service.grpc_address, options) as channel:
        stream = v1.CompletionServiceStub(channel).StreamCompletion(prompt("x" * 2_000_000))
        events = []
        async for event in stream:
            events.append(event)
            if len(events) < 12:
                await asyncio.sleep(0.1)

    assert events[-1].finished.HasField("completion")


async def test_a_stalled_caller_who_cancels_stops_the_upstream(start_service, prompt):
    service = await start_service({"echo": {"chunk_size": 60_000}})
    echo = service.opened.providers["echo"]
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stream = v1.CompletionServiceStub(channel).StreamCompletion(prompt("x" * 6_000_000))
        await stream.read()
        stream.cancel()
        await until(lambda: not echo.running)

    assert echo.started == 1


async def broken(request: bytes, context: object) -> bytes:
    raise RuntimeError("secret detail")


async def broken_stream(request: bytes, context: object) -> AsyncIterator[bytes]:
    yield b"first"
    raise RuntimeError("secret detail")


async def test_a_bug_is_reported_as_internal_and_leaks_no_text(guarded, refused):
    unary, stream = grpc.unary_unary_rpc_method_handler(broken), grpc.unary_stream_rpc_method_handler(broken_stream)
    address = await guarded({"Whole": unary, "Stream": stream})
    async with grpc.aio.insecure_channel(address) as channel:
        whole = await refused(channel.unary_unary("/odd.Odd/Whole")(b""))
        streamed = await refused(collect(channel.unary_stream("/odd.Odd/Stream")(b"")))

    for refusal in (whole, streamed):
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
        assert "secret" not in refusal.message
        assert refusal.info.metadata["call_id"]


async def test_health_names_every_service_and_needs_no_key(start_service):
    key = {"id": "a", "sha256": "0" * 64}
    service = await start_service(access={"keys": [key]})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        listed = (await health.List(health_pb2.HealthListRequest())).statuses
        statuses = [
            (await health.Check(health_pb2.HealthCheckRequest(service=name))).status
            for name in (
                "",
                "dragoman.v1.CompletionService",
                "dragoman.v1.ModelService",
                "google.longrunning.Operations",
            )
        ]

    assert statuses == [health_pb2.HealthCheckResponse.SERVING] * 4
    assert {listed[name].status for name in ("", "google.longrunning.Operations")} == {statuses[0]}


async def test_any_garbage_leaves_the_server_standing(channel, stub, prompt, refused):
    methods = ["CreateCompletion", "StartCompletion", "CountTokens", "Tokenize"]
    for method in methods:
        for junk in (b"\x00", b"\xff" * 100, bytes(range(256))):
            refusal = await refused(channel.unary_unary(f"/dragoman.v1.CompletionService/{method}")(junk))
            assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT

    completion = await stub.CreateCompletion(prompt("fine"))

    assert completion.choices[0].message.parts[0].text == "fine"


async def test_metadata_over_the_limit_ends_a_call_before_the_client_has_acknowledged_it(start_service) -> None:
    service = await start_service()
    with capture_logs() as lines:
        await send(service.grpc_address, b"/grpc.health.v1.Health/Watch", [(b"x-a", b"b")] * 600)
        await until(lambda: [line for line in lines if line["event"] == "rpc.done"])
    (line,) = [line for line in lines if line["event"] == "rpc.done"]

    assert (line["method"], line["code"], line["reason"]) == ("Watch", "ResourceExhausted", "REQUEST_TOO_LARGE")


async def test_streams_without_a_key_are_bounded_and_refused_with_a_delay(guarded, refused) -> None:
    address = await guarded({}, public_streams=3)
    async with grpc.aio.insecure_channel(address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch
        open_streams = [watch(health_pb2.HealthCheckRequest()) for _ in range(3)]
        for stream in open_streams:
            await stream.read()
        refusal = await refused(watch(health_pb2.HealthCheckRequest()).read())
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        open_streams[0].cancel()
        await until(lambda: reads(watch(health_pb2.HealthCheckRequest())))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
    assert 1000 <= refusal.retry.retry_delay.ToMilliseconds() <= 3000


async def reads(stream) -> bool:
    with contextlib.suppress(grpc.aio.AioRpcError):
        await stream.read()
        return True
    return False
