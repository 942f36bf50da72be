"""The provider `gemini` in front of our own frontend keeps the laws in both APIs, and answers as the model behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.providers.google.gemini.provider import GeminiProvider, open_gemini
from dragoman_service.providers.google.gemini.settings import GeminiSettings
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.testing.provider_laws.harness import Harness
from dragoman_service.testing.serving import Served, serving
from test_yandex_chained import ChainedLaws, WithoutTools, engine, requests_in

__all__ = ["engine"]


@asynccontextmanager
async def chained(served: Served, version: str, model: str, **settings: Any) -> AsyncIterator[GeminiProvider]:
    """The provider `gemini` with the service as its upstream."""
    base_url = f"http://{served.running.http_address}/{version}"
    async with open_gemini(GeminiSettings.model_validate({"models": [model], "base_url": base_url, **settings})) as own:
        yield own


class TestOverEcho(ChainedLaws):
    version = "v1beta"
    settings: ClassVar[dict[str, str]] = {}

    @pytest.fixture
    async def provider(self) -> AsyncIterator[GeminiProvider]:
        self.behind = Echo(EchoSettings(delay=0.005))
        async with (
            serving({"echo": self.behind}) as served,
            chained(served, self.version, "echo", **self.settings) as provider,
        ):
            yield provider

    def failing_request(self, provider: Provider) -> v1.CompletionRequest:
        request = self.request(provider)
        request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text='echo: {"fail_after": 2}')
        return request

    async def running(self, provider: Provider) -> int:
        assert isinstance(self.behind, Echo)
        return self.behind.running


class SomeLaws(Harness):
    """Those that no other pair of provider and model proves, because each test takes a service of its own."""

    behind: Provider

    test_the_answer_is_that_of_the_model = ChainedLaws.test_the_answer_is_that_of_the_model_asked_directly
    test_the_counted_tokens_are_those_used = ChainedLaws.test_the_counted_tokens_are_those_used
    test_closing_the_iterator_stops_the_upstream = ChainedLaws.test_closing_the_iterator_stops_the_upstream


class TestVertexOverEcho(SomeLaws):
    version, settings = "v1", {"project": "p", "location": "l", "access_token": "token"}
    provider, running = TestOverEcho.provider, TestOverEcho.running


class TestOverTheEmbeddedModel(SomeLaws):
    @pytest.fixture
    async def provider(self, engine: Path) -> AsyncIterator[WithoutTools]:
        async with (
            open_http("http://localhost", unix_socket=engine) as self.engine,
            serving(settings={"providers": {"local": {"engine": engine}}}) as served,
            chained(served, "v1beta", "local") as provider,
        ):
            self.behind = served.running.opened.providers["local"]
            yield WithoutTools(provider)

    def request(self, provider: Provider) -> v1.CompletionRequest:
        request = super().request(provider)
        request.generation_config.max_output_tokens = 16
        return request

    async def running(self, provider: Provider) -> int:
        return await requests_in(self.engine)
