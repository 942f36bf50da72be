"""nginx, as docs/proxies.md sets it up, passes calls on to the service on the native transport."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import grpc
import pytest
from dragoman import v1
from dragoman_service.testing.serving import serving
from nginx_server import nginx

PAGE = Path(__file__).parents[2] / "docs/proxies.md"
ECHO = {"server.transport": "native", "providers": {"echo": {}, "slow": {"plugin": "echo", "delay": "1h"}}}


@pytest.fixture
async def proxied(tmp_path):
    """The service, and a channel to the nginx in front of it."""
    async with serving(settings=ECHO) as service:

        def server(port: int) -> str:
            block = re.search(r"```nginx\n(server \{.*?\n\})", PAGE.read_text(), re.DOTALL)[1]
            upstream = service.running.grpc_address
            for old, new in (("127.0.0.1:8443", f"127.0.0.1:{port}"), ("127.0.0.1:50051", upstream)):
                assert old in block
                block = block.replace(old, new, 1)
            return block

        async with nginx(tmp_path, server) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield service, channel


def _asking(model: str) -> v1.CompletionRequest:
    request = v1.CompletionRequest(model=model)
    request.messages.add(role=v1.ROLE_USER).parts.add(text="one two three")
    return request


async def test_answers_streams_and_errors_pass_nginx(proxied):
    _, channel = proxied
    stub = v1.CompletionServiceStub(channel)
    answer = await stub.CreateCompletion(_asking("echo"), timeout=30, wait_for_ready=True)
    events = [event async for event in stub.StreamCompletion(_asking("echo"), timeout=30)]
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await stub.CreateCompletion(_asking("none"), timeout=30)

    assert "one two three" in str(answer)
    assert len(events) > 3
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
    assert "grpc-status-details-bin" in dict(unknown.value.trailing_metadata())


async def test_what_a_caller_cancels_is_cancelled_behind_nginx(proxied):
    service, channel = proxied
    call = v1.CompletionServiceStub(channel).StreamCompletion(_asking("slow/echo"), timeout=30, wait_for_ready=True)
    await call.read()
    under_way = service.running._in_flight.active
    call.cancel()
    await asyncio.wait_for(service.running._in_flight.idle(), 20)

    assert under_way == 1
