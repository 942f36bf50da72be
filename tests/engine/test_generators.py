"""Every async generator is closed by who reads it: none is left to the garbage collector, which closes it too late."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import AsyncGeneratorType
from typing import Any

import grpc
import pytest
from dragoman import v1
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.testing import Served, serving
from raw_http import asked
from waiting import until

INNER = {
    "echo": Echo(EchoSettings(delay=0.001)),
    "other": Echo(EchoSettings(delay=0.001)),
    "bad": Echo(EchoSettings(fail_after=2)),
    "down": Echo(EchoSettings(fail_after=0)),
}


@contextmanager
def abandoned() -> Iterator[list[str]]:
    """The names of the generators that are finalized by the collector meanwhile."""
    before, names = sys.get_asyncgen_hooks(), []

    def finalize(generator: AsyncGeneratorType[Any, Any]) -> None:
        names.append(generator.ag_code.co_qualname)
        assert before.finalizer is not None
        before.finalizer(generator)

    gc.collect()
    sys.set_asyncgen_hooks(finalizer=finalize)
    try:
        yield names
        gc.collect()
    finally:
        sys.set_asyncgen_hooks(finalizer=before.finalizer)


def request(model: str, text: str = "one two three", **fields: Any) -> v1.CompletionRequest:
    message = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=text)])
    return v1.CompletionRequest(model=model, messages=[message], **fields)


@asynccontextmanager
async def chained() -> AsyncIterator[tuple[Served, Served]]:
    """A service in front of another one, in the same loop: both have a part in each call."""
    async with serving(INNER) as inner:
        near = {
            "plugin": "openai",
            "base_url": f"http://{inner.running.http_address}/v1",
            "models": [f"{name}/echo" for name in INNER],
        }
        both = ["near/echo/echo", "near/other/echo"]
        models = {
            "two": {"targets": ["near/down/echo", "near/other/echo"]},
            "hedged": {"targets": both, "hedge": {"after": "1ms"}, "first_token": "5s"},
        }
        settings = {"providers": {"near": near}, "models": models}
        async with serving(settings=settings) as outer:
            yield inner, outer


async def whole(outer: Served) -> None:
    await outer.completions.CreateCompletion(request("near/other/echo", generation_config={"max_output_tokens": 9}))
    await outer.completions.CreateCompletion(request("near/other/echo"))


async def streamed(outer: Served) -> None:
    async for _ in outer.completions.StreamCompletion(request("near/other/echo")):
        pass


async def left(outer: Served) -> None:
    stream = outer.completions.StreamCompletion(request("near/other/echo", "long " * 2000))
    await stream.read()
    await stream.read()
    stream.cancel()


async def failing(outer: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await outer.completions.CreateCompletion(request("near/bad/echo"))
    with pytest.raises(grpc.aio.AioRpcError):
        async for _ in outer.completions.StreamCompletion(request("near/bad/echo")):
            pass


async def late(outer: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await outer.completions.CreateCompletion(request("near/other/echo", "long " * 5000), timeout=0.3)


async def kept(outer: Served) -> None:
    stored = request("near/other/echo", request_id="a", disconnect_policy=v1.DISCONNECT_POLICY_CONTINUE)
    await outer.completions.CreateCompletion(stored)
    started = await outer.completions.StartCompletion(
        v1.StartCompletionRequest(request=request("near/other/echo", "a b c"))
    )
    async for _ in outer.completions.AttachCompletion(v1.AttachCompletionRequest(name=started.name)):
        pass
    attached = outer.completions.AttachCompletion(v1.AttachCompletionRequest(name=started.name))
    await attached.read()
    attached.cancel()


async def routed(outer: Served) -> None:
    for model in ("two", "hedged"):
        async for _ in outer.completions.StreamCompletion(request(model)):
            pass


async def over_http(outer: Served) -> None:
    for path, more in (("/v1/chat/completions", {"messages": [{"role": "user", "content": "long " * 500}]}),):
        for stream in (False, True):
            body = {"model": "near/other/echo", "stream": stream, **more}
            async with asked(outer.running.http_address, "POST", path, body) as answer:
                await answer.whole()
        async with asked(outer.running.http_address, "POST", path, body) as answer:
            await answer.piece()


CALLS = [whole, streamed, left, failing, late, kept, routed, over_http]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
async def test_no_generator_is_left_to_the_collector(call: Any) -> None:
    async with chained() as (inner, outer):
        with abandoned() as names:
            await call(outer)
            await until(lambda: not (inner.running.engine._running.pumps or outer.running.engine._running.pumps))
            await asyncio.sleep(0)

    assert names == []


async def test_a_generator_that_is_left_is_found() -> None:
    async def endless() -> AsyncIterator[int]:
        while True:
            yield 1

    with abandoned() as names:
        assert await anext(endless()) == 1

    assert [name.rpartition(".")[2] for name in names] == ["endless"]
