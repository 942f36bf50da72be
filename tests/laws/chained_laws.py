"""The laws of a provider in front of our own frontend: those of all providers, and the answer is that of the model."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.providers.local.provider import LocalSettings, share_local
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.testing import ProviderLaws
from dragoman_service.testing.provider_laws.harness import Harness, folded
from dragoman_service.testing.serving import Served, serving


class WithoutTools:
    """The provider without the claims that the embedded model behind it cannot meet: tools and reasoning."""

    def __init__(self, provider: Any) -> None:
        self._models = list(provider.models())
        for model in self._models:
            kept = [
                field for field in model.supported_fields if not field.startswith(("tool", "generation_config.rea"))
            ]
            model.supported_fields[:] = kept
        self.complete, self.count_tokens, self.tokenize = provider.complete, provider.count_tokens, provider.tokenize

    def models(self) -> list[v1.Model]:
        return self._models


@pytest.fixture(scope="module")
def engine(weights: Path) -> Iterator[Path]:
    """The socket of an engine that runs in a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = share_local(LocalSettings(threads=1))
    try:
        yield asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result()["engine"]
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def requests_in(engine: Any) -> int:
    """The requests in progress in the engine."""
    metrics = (await engine.get("/metrics")).body.decode()
    return sum(map(int, re.findall(r"^llamacpp:requests_(?:processing|deferred) (\d+)", metrics, re.MULTILINE)))


class ChainedLaws(ProviderLaws):
    """Laws for any model behind the service."""

    behind: Provider

    async def test_the_answer_is_that_of_the_model_asked_directly(self, provider: Provider) -> None:
        request = self.request(provider)
        chained_answer = folded(await self.events(provider, request))
        request.model = self.behind.models()[0].provider_model
        answer = folded(await self.events(self.behind, request))

        assert chained_answer.choices[0].message == answer.choices[0].message
        assert chained_answer.choices[0].finish_reason == answer.choices[0].finish_reason
        assert chained_answer.usage.input_tokens == answer.usage.input_tokens
        assert chained_answer.usage.output_tokens == answer.usage.output_tokens

    async def test_an_answer_cut_short_is_that_of_the_model_too(self, provider: Provider) -> None:
        request = self.claiming(provider, max_output_tokens=3)
        chained_answer = folded(await self.events(provider, request))
        request.model = self.behind.models()[0].provider_model
        answer = folded(await self.events(self.behind, request))

        assert chained_answer.choices[0].message == answer.choices[0].message
        assert chained_answer.choices[0].finish_reason == v1.FINISH_REASON_MAX_OUTPUT_TOKENS


class OverEcho(ChainedLaws):
    """All laws, with echo behind the frontend."""

    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        """The provider with the service as its upstream."""
        raise NotImplementedError

    @pytest.fixture
    async def provider(self) -> AsyncIterator[Provider]:
        self.behind = Echo(EchoSettings(delay=0.01))
        async with serving({"echo": self.behind}) as served, self.chain(served) as provider:
            yield provider

    def failing_request(self, provider: Provider) -> v1.CompletionRequest:
        request = self.request(provider)
        request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text='echo: {"fail_after": 2}')
        return request

    async def running(self, provider: Provider) -> int:
        assert isinstance(self.behind, Echo)
        return self.behind.running


class OverTheEmbeddedModel(Harness):
    """Those laws that no other pair of provider and model proves, because each test takes a service of its own."""

    behind: Provider

    test_the_answer_is_that_of_the_model = ChainedLaws.test_the_answer_is_that_of_the_model_asked_directly
    test_closing_the_iterator_stops_the_upstream = ChainedLaws.test_closing_the_iterator_stops_the_upstream

    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        """The provider with the service as its upstream."""
        raise NotImplementedError

    def claiming_less(self, provider: Provider) -> Provider:
        """The provider without the claims that the embedded model cannot meet."""
        return WithoutTools(provider)

    @pytest.fixture
    async def provider(self, engine: Path) -> AsyncIterator[Provider]:
        async with (
            open_http("http://localhost", unix_socket=engine) as self.engine,
            serving(settings={"providers": {"local": {"engine": engine}}}) as served,
            self.chain(served) as provider,
        ):
            self.behind = served.running.opened.providers["local"]
            yield self.claiming_less(provider)

    def request(self, provider: Provider) -> v1.CompletionRequest:
        request = super().request(provider)
        request.generation_config.max_output_tokens = 16
        return request

    async def running(self, provider: Provider) -> int:
        return await requests_in(self.engine)
