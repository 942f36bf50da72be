"""The provider `xai` in front of our own frontend keeps the laws, and answers as the model behind it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.xai.provider import XaiProvider, open_xai
from dragoman_service.providers.xai.settings import XaiSettings
from dragoman_service.testing.provider_laws.harness import Harness
from dragoman_service.testing.serving import Served, serving
from test_yandex_chained import ChainedLaws, engine, requests_in

__all__ = ["engine"]


@asynccontextmanager
async def chained(served: Served, model: str, **settings: Any) -> AsyncIterator[XaiProvider]:
    """The provider `xai` with the service as its upstream."""
    address = served.running.grpc_address
    asked = {"models": [model], "endpoint": address, "tls": False, **settings}
    async with open_xai(XaiSettings.model_validate(asked)) as provider:
        yield provider


class WithoutClaims:
    """The provider without the claims that the embedded model behind it cannot meet."""

    def __init__(self, provider: XaiProvider) -> None:
        self._models = list(provider.models())
        for model in self._models:
            kept = [field for field in model.supported_fields if not field.startswith(("tool", "messages."))]
            model.supported_fields[:] = [field for field in kept if field != "generation_config.reasoning"]
        self.complete, self.count_tokens, self.tokenize = provider.complete, provider.count_tokens, provider.tokenize

    def models(self) -> list[v1.Model]:
        return self._models


class TestOverEcho(ChainedLaws):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[XaiProvider]:
        self.behind = Echo(EchoSettings(delay=0.005))
        async with serving({"echo": self.behind}) as served, chained(served, "echo") as provider:
            yield provider

    def failing_request(self, provider: Provider) -> v1.CompletionRequest:
        request = self.request(provider)
        request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text='echo: {"fail_after": 2}')
        return request

    async def running(self, provider: Provider) -> int:
        assert isinstance(self.behind, Echo)
        return self.behind.running


class TestOverTheEmbeddedModel(Harness):
    behind: Provider

    test_the_answer_is_that_of_the_model = ChainedLaws.test_the_answer_is_that_of_the_model_asked_directly
    test_closing_the_iterator_stops_the_upstream = ChainedLaws.test_closing_the_iterator_stops_the_upstream

    @pytest.fixture
    async def provider(self, engine: Path) -> AsyncIterator[WithoutClaims]:
        async with (
            open_http("http://localhost", unix_socket=engine) as self.engine,
            serving(settings={"providers": {"local": {"engine": engine}}}) as served,
            chained(served, "local") as provider,
        ):
            self.behind = served.running.opened.providers["local"]
            yield WithoutClaims(provider)

    def request(self, provider: Provider) -> v1.CompletionRequest:
        request = super().request(provider)
        request.generation_config.max_output_tokens = 16
        return request

    async def running(self, provider: Provider) -> int:
        return await requests_in(self.engine)
