"""A call leaves no circle of objects: all of it is freed at its end, and nothing waits for the garbage collector, which
runs seldom (see `process.garbage`)."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable

import grpc
import pytest
from dragoman import v1
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.testing import Served, serving
from dragoman_service.transport.choice import why_no_extension
from raw_http import asked

CALLS = 20  # of each kind, so that what the loop or a library leaves now and then does not count


def request(text: str = "one two three") -> v1.CompletionRequest:
    return v1.CompletionRequest(model="near/inner/echo", messages=[{"role": "ROLE_USER", "parts": [{"text": text}]}])


def whole(stub: v1.CompletionServiceStub) -> None:
    stub.CreateCompletion(request())


def streamed(stub: v1.CompletionServiceStub) -> None:
    for _ in stub.StreamCompletion(request()):
        pass


def left(stub: v1.CompletionServiceStub) -> None:
    stream = stub.StreamCompletion(request("long " * 2000))
    next(stream)
    stream.cancel()


def failing(stub: v1.CompletionServiceStub) -> None:
    asked = v1.CompletionRequest(model="near/bad/echo", messages=request().messages)
    with pytest.raises(grpc.RpcError):
        stub.CreateCompletion(asked)
    with pytest.raises(grpc.RpcError):
        list(stub.StreamCompletion(asked))


def late(stub: v1.CompletionServiceStub) -> None:
    with pytest.raises(grpc.RpcError):
        list(stub.StreamCompletion(request("long " * 20_000), timeout=0.1))


def refused(stub: v1.CompletionServiceStub) -> None:
    with pytest.raises(grpc.RpcError):
        stub.CreateCompletion(v1.CompletionRequest(model="none"))


async def over_http(outer: Served) -> None:
    body = {"model": "near/inner/echo", "messages": [{"role": "user", "content": "one two three"}]}
    for stream in (False, True):
        async with asked(outer.running.http_address, "POST", "/v1/chat/completions", {"stream": stream, **body}) as got:
            await got.whole()


@pytest.fixture
async def outer():
    """A service in front of another one, in the same loop: both have a part in each call."""
    if why := why_no_extension():
        pytest.skip(why)  # grpcio leaves five objects a call
    async with serving({"inner": Echo(EchoSettings()), "bad": Echo(EchoSettings(fail_after=2))}) as inner:
        url = f"http://{inner.running.http_address}/v1"
        near = {"plugin": "openai", "base_url": url, "models": ["inner/echo", "bad/echo"]}
        async with serving(settings={"providers": {"near": near}, "routing.breaker": False}) as served:
            yield served


async def circles(several: Callable[[], object]) -> dict[str, int]:
    """Objects of the service that `several` leaves to the collector, by type, if each call leaves one."""
    await several()
    gc.collect()
    gc.disable()
    try:
        await several()
        await asyncio.sleep(0.1)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        ours = [type(each) for each in gc.garbage if type(each).__module__.startswith("dragoman_service")]
        kinds = Counter(f"{kind.__module__}.{kind.__qualname__}" for kind in ours)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    return {kind: count for kind, count in kinds.items() if count >= CALLS}


@pytest.mark.parametrize("call", [whole, streamed, left, failing, late, refused], ids=lambda call: call.__name__)
async def test_a_call_over_grpc_leaves_no_circle(outer, call):
    with grpc.insecure_channel(outer.running.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)

        async def several():
            for _ in range(CALLS):
                await asyncio.to_thread(call, stub)

        assert await circles(several) == {}


async def test_a_call_over_http_leaves_no_circle(outer):
    async def several():
        for _ in range(CALLS):
            await over_http(outer)

    assert await circles(several) == {}
