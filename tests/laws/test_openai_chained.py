"""`echo` behind another service keeps the laws of a provider, and gives the same answers as when called directly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from chained import answers, behind
from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.providers.openai.provider import OpenAIProvider
from dragoman_service.providers.upstream.settings import Asked
from dragoman_service.testing import ProviderLaws, serving


class TestEchoBehindAService(ProviderLaws):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[OpenAIProvider]:
        self.echo = Echo(EchoSettings(delay=0.01))
        async with behind(self.echo) as (provider, _):
            yield provider

    def failing_request(self, provider: Provider) -> v1.CompletionRequest:
        request = self.request(provider)
        request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text='echo: {"fail_after": 2}')
        return request

    async def running(self, provider: Provider) -> int:
        return self.echo.running


def scripted(script: dict[str, Any], **config: Any) -> v1.CompletionRequest:
    request = v1.CompletionRequest(generation_config=v1.GenerationConfig(**config))
    request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text=f"echo: {json.dumps(script)}")
    request.messages.add(role=v1.ROLE_USER).parts.add(text="Zwölf Boxkämpfer 🥊 jagen Eva.")
    return request


def with_tools(request: v1.CompletionRequest) -> v1.CompletionRequest:
    request.tools.add().function.MergeFrom(v1.FunctionTool(name="weather", parameters_json_schema='{"type":"object"}'))
    return request


CALLS = [{"name": "weather", "arguments": {"city": "Oslo"}, "id": "a"}, {"name": "weather", "id": "b"}]
REQUESTS = {
    "text": scripted({}),
    "choices and logprobs": scripted({}, choice_count=3, include_logprobs=True, top_logprobs=2),
    "limited": scripted({}, max_output_tokens=2),
    "thoughts": scripted({"reasoning": "Hm, well.", "text": "Yes."}),
    "refusal": scripted({"refusal": "No, never."}),
    "filtered": scripted({"finish_reason": "CONTENT_FILTER"}),
    "calls": with_tools(scripted({"text": "Let me see.", "tool_calls": CALLS})),
    "data": v1.CompletionRequest(messages=[v1.Message(role=v1.ROLE_DATA, parts=[v1.Part(text="> quoted")])]),
    "prompt": v1.CompletionRequest(prompt="One, two", generation_config=v1.GenerationConfig(max_output_tokens=3)),
}


@pytest.mark.parametrize("asked", ["auto", "stream", "whole"])
async def test_the_answer_is_the_same_behind_another_service(asked: Asked) -> None:
    async with behind(Echo(), asked) as (provider, inner), serving({"outer": provider}) as outer:
        for name, request in REQUESTS.items():
            direct, whole, streamed = await answers(outer, inner, request)

            assert whole == direct, name
            assert streamed == direct, name
