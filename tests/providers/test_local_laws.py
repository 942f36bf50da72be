"""The embedded model keeps the laws of a provider, and so does the provider `openai`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.dialects.openai.client.quirks import CHAT_NAMES, OPENAI, names
from dragoman_service.providers.local.engine.own import LocalEngine
from dragoman_service.providers.local.provider import LocalProvider
from dragoman_service.providers.openai.provider import OpenAIProvider
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.testing import ProviderLaws
from local_asking import Busy


class TestLocal(ProviderLaws):
    # The engine's threads notice late on a busy machine. test_local_hanging_up.py measures how long they take.
    stops_within = 10.0

    @pytest.fixture
    def provider(self, local: LocalProvider, busy: Busy) -> LocalProvider:
        self.busy = busy
        return local

    def request(self, provider: Provider) -> v1.CompletionRequest:
        request = super().request(provider)
        request.generation_config.max_output_tokens = 16
        return request

    def failing_request(self, provider: Provider) -> v1.CompletionRequest:
        request = self.request(provider)
        request.messages[0].parts[0].text = "word " * 3000
        return request

    async def running(self, provider: Provider) -> int:
        return await self.busy()


class TestAnyUpstream(TestLocal):
    """The provider `openai`, with the engine as an upstream without a vendor."""

    @pytest.fixture
    async def provider(self, engine: LocalEngine, busy: Busy) -> AsyncIterator[OpenAIProvider]:
        self.busy = busy
        quirks = replace(
            OPENAI,
            path="/v1/chat/completions",
            prompt_path="/v1/completions",
            least_top_logprobs=1,
            # The template of the default model drops them without an error.
            tools=False,
            authors=False,
            names=names(CHAT_NAMES, "reasoning"),
        )
        model = v1.Model(provider_model="m", supported_fields=quirks.supported_fields)
        async with open_http("http://localhost", unix_socket=engine.socket) as http:
            yield OpenAIProvider(http, [model], quirks)
