"""A request that loops through a service whose provider leads back to it is refused after a few hops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc
import pytest
from dragoman import v1
from dragoman_service.contract import Call, Provider, parse_hops
from dragoman_service.engine.serving import MAX_HOPS
from dragoman_service.providers.openai.provider import open_openai
from dragoman_service.providers.openai.settings import OpenAISettings
from dragoman_service.providers.yandex.provider import open_yandex
from dragoman_service.providers.yandex.settings import YandexSettings
from dragoman_service.settings.types import Address
from dragoman_service.testing import Served, serving
from raw_http import asked

Open = Callable[[Served], AbstractAsyncContextManager[Provider]]


class Circle:
    """A provider whose upstream is set once the address of the service is known. It counts its calls."""

    upstream: Provider

    def __init__(self) -> None:
        self.calls: list[int] = []

    def models(self) -> Sequence[v1.Model]:
        return [v1.Model(provider_model="x", availability=v1.AVAILABILITY_READY)]

    async def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        self.calls.append(call.hops)
        if len(self.calls) > 50:
            raise RuntimeError("it goes on for ever")
        request.model = "circle/x"
        async for event in self.upstream.complete(request, call):
            yield event


def over_http(served: Served) -> Any:
    return open_openai(OpenAISettings(base_url=f"http://{served.running.http_address}/v1", models=("circle/x",)))


def over_grpc(served: Served) -> Any:
    endpoint = Address.parse(served.running.grpc_address)
    return open_yandex(YandexSettings(folder_id="f", models=("circle/x",), endpoint=endpoint, tls=False, attempts=1))


@pytest.mark.parametrize("opened", [over_http, over_grpc])
async def test_a_request_that_goes_round_in_a_circle_is_refused(opened: Open, refused, prompt) -> None:
    circle = Circle()
    async with serving({"circle": circle}) as served, opened(served) as circle.upstream:
        refusal = await refused(served.completions.CreateCompletion(prompt(model="circle/x")))

    assert circle.calls == list(range(MAX_HOPS + 1))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TOO_MANY_HOPS")
    assert refusal.info.metadata["retryable"] == "false"
    assert "address of a provider leads back" in refusal.message


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/foundationModels/v1/completion"])
async def test_hops_over_http_count_in_every_dialect(path: str) -> None:
    told = {"x-dragoman-hops": str(MAX_HOPS + 1)}
    chat = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    generation = {"modelUri": "echo", "messages": [{"role": "user", "text": "hi"}]}
    body = chat if path.startswith("/v1") else generation
    async with serving() as served:
        async with asked(served.running.http_address, "POST", path, body, told) as answer:
            said = await answer.whole()
        async with asked(served.running.http_address, "POST", path, body, {"x-dragoman-hops": "8"}) as fine:
            pass

    assert (answer.status, fine.status) == (400, 200)
    assert b"too many Dragoman services" in said


@pytest.mark.parametrize(("told", "hops"), [("3", 3), ("", 0), ("-1", 0), ("1e3", 0), ("٣", 0), ("9" * 5000, 0)])
def test_a_value_that_no_service_writes_counts_as_no_hops(told: str, hops: int) -> None:
    assert parse_hops(told) == hops
