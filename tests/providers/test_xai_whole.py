"""The provider `xai` asks for a whole answer where the caller sees nothing of it before its end."""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError, Whole
from dragoman_service.testing.provider_laws.harness import folded
from test_xai_upstream import CALL, Server, answered, asking, provider_for, upstream

__all__ = ["upstream"]

SHORT = v1.GenerationConfig(max_output_tokens=32)
UNSEEN = replace(CALL, whole=Whole(allowed=True, asked=True))


async def test_a_whole_answer_is_that_of_a_stream(upstream: Server) -> None:
    async with provider_for(upstream) as provider:
        request = asking(generation_config=SHORT)
        streamed = await answered(provider, request)
        whole = folded([event async for event in provider.complete(request, UNSEEN)])

    assert upstream.whole_answers == 1
    assert list(whole.choices) == list(streamed.choices)
    assert whole.usage == streamed.usage
    assert upstream.requests[0] == upstream.requests[1]


@pytest.mark.parametrize(
    ("asked", "limit", "taken"),
    [("auto", 32, True), ("auto", 0, False), ("auto", 2000, False), ("stream", 32, False), ("whole", 0, True)],
)
async def test_a_whole_answer_is_asked_for_if_even_a_slow_model_gives_it_in_time(
    upstream: Server, asked: str, limit: int, taken: bool
) -> None:
    config = v1.GenerationConfig(max_output_tokens=limit) if limit else None
    async with provider_for(upstream, upstream=asked) as provider:
        assert provider.takes_whole(asking(generation_config=config), None) is taken


async def test_a_whole_answer_has_to_be_there_in_time(upstream: Server) -> None:
    upstream.silent = True
    async with provider_for(upstream, first_token_timeout="50ms") as provider:
        with pytest.raises(CompletionError) as caught:
            await anext(aiter(provider.complete(asking(generation_config=SHORT), UNSEEN)))

    assert caught.value.reason_name == "PROVIDER_TIMEOUT"


async def test_the_failure_of_a_whole_answer_is_that_of_a_stream(upstream: Server) -> None:
    upstream.failure = (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down xai-secret")
    upstream.chunks = []
    async with provider_for(upstream) as provider:
        reasons = []
        for call in (CALL, UNSEEN):
            with pytest.raises(CompletionError) as caught:
                await anext(aiter(provider.complete(asking(), call)))
            reasons.append((caught.value.reason_name, caught.value.message))

    assert reasons[0] == reasons[1]
    assert "xai-secret" not in reasons[1][1]
