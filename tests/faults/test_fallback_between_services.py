"""Two services as upstreams, behind proxies that harm the first: who answers, and how often each is asked."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from deliveries import door_of, grpc_complete, grpc_stream, http_complete, http_stream
from dragoman import v1
from dragoman_service.testing.serving import serving
from proxy import Harm, Proxy, proxy_to

DELIVERIES = (grpc_complete, grpc_stream, http_complete, http_stream)


def _upstream(url: str, **more: Any) -> dict[str, Any]:
    return {"plugin": "openai", "base_url": url, "models": ["echo"], "api_key": "k", **more}


def _settings(first: str, second: str, routing: dict[str, Any] | None = None, **name: Any) -> dict[str, Any]:
    return {
        "providers": {"a": _upstream(first), "b": _upstream(second)},
        "models": {"m": {"targets": ["a/echo", "b/echo"], **name}},
        "routing": routing or {"breaker": False},
    }


@asynccontextmanager
async def _two(harm: Harm) -> AsyncIterator[tuple[Proxy, Proxy]]:
    """Proxies to two services, of which the first is harmed."""
    async with AsyncExitStack() as stack:
        proxies = []
        for each in (harm, Harm()):
            served = await stack.enter_async_context(serving(None, {"providers": {"echo": {}}}))
            port = int(served.running.http_address.rpartition(":")[2])
            proxies.append(await stack.enter_async_context(proxy_to(port, each)))
        yield proxies[0], proxies[1]


HARMS = {
    "an RST for an answer": Harm(cut_at=0, rst=True),
    "cut in the head": Harm(cut_at=20),
    "cut in the head with an RST": Harm(cut_at=20, rst=True),
    "no answer at all": Harm(swallow=True),
    "a slow drip": Harm(bytes_a_tick=1, tick=0.05),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
async def test_what_harms_the_first_target_before_its_answer_begins_is_not_seen(harm: Harm) -> None:
    async with (
        _two(harm) as (first, second),
        serving(None, _settings(first.url, second.url, first_token="1s")) as served,
    ):
        door = door_of(served)
        outcomes = [await deliver(door, "m") for deliver in DELIVERIES]

    assert [(outcome.code, outcome.delivered) for outcome in outcomes] == [("OK", "Hi")] * 4
    assert second.seen >= 1


async def test_a_breaker_keeps_requests_from_a_target_that_is_down() -> None:
    async with (
        _two(Harm(cut_at=0, rst=True)) as (first, second),
        serving(None, _settings(first.url, second.url, {"max_attempts": 2})) as served,
    ):
        door = door_of(served)
        outcomes = [await grpc_complete(door, "m") for _ in range(100)]

    assert {outcome.code for outcome in outcomes} == {"OK"}
    assert first.seen <= 10, "five failures open the breaker, each request retries once at most"


async def test_a_single_target_that_is_down_gets_little_more_than_the_requests_themselves() -> None:
    async with proxy_to(1, Harm()) as nobody:
        settings = _settings(nobody.url, nobody.url)
        settings["models"] = {"m": {"targets": ["a/echo"]}}
        async with serving(None, settings) as served:
            door = door_of(served)
            for _ in range(20):
                assert (await grpc_complete(door, "m")).reason == "PROVIDER_UNAVAILABLE"

    assert nobody.seen <= 20 * 1.1 + 3


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A real `dragoman serve` whose echo provider takes 50 ms a token, and the URL of its OpenAI API."""
    settings = tmp_path / "upstream.toml"
    settings.write_text(
        '[server]\ngrpc = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\ndata_dir = "data"\n[providers.echo]\ndelay = "50ms"\n'
    )
    command = (sys.executable, "-m", "dragoman_service", "serve", "--config", str(settings))
    with (tmp_path / "upstream.log").open("wb") as log:
        started = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=log)
    try:
        async with asyncio.timeout(30):
            assert started.stdout is not None
            await started.stdout.readline()
            address = (await started.stdout.readline()).decode().split()[1]
        yield started, f"http://{address}/v1"
    finally:
        if started.returncode is None:
            os.kill(started.pid, signal.SIGCONT)
            started.kill()
        await started.wait()


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_target_that_is_stopped_or_killed_in_mid_stream_is_not_followed_by_another(process, how) -> None:
    upstream, url = process
    async with serving(None, {"providers": {"echo": {}}}) as other:
        settings = _settings(url, f"http://{other.running.http_address}/v1")
        settings["providers"]["a"] |= {"idle_timeout": "500ms"}
        async with serving(None, settings) as served:
            request = _words(40)
            got, harmed, error = [], False, None
            try:
                async for event in served.completions.StreamCompletion(request, timeout=20):
                    got.append(event)
                    if not harmed and event.HasField("delta"):
                        harmed = True
                        os.kill(upstream.pid, how)
            except grpc.aio.AioRpcError as caught:
                error = caught
            if how is signal.SIGSTOP:
                upstream.kill()
            await upstream.wait()
            after = await served.completions.CreateCompletion(_words(2), timeout=20)

    assert error is not None
    assert {each.started.provider for each in got if each.HasField("started")} == {"a"}
    assert got[-1].finished.usage.partial
    assert after.provider == "b"


def _words(count: int) -> Any:
    text = " ".join(["word"] * count)
    return v1.CompletionRequest(model="m", messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=text)])])
