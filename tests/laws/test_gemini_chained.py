"""The provider `gemini` in front of our own frontend keeps the laws in both APIs, and answers as the model behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from chained_laws import ChainedLaws, OverEcho, OverTheEmbeddedModel, engine
from dragoman_service.contract import Provider
from dragoman_service.providers.google.gemini.provider import GeminiProvider, open_gemini
from dragoman_service.providers.google.gemini.settings import GeminiSettings
from dragoman_service.testing.provider_laws.harness import Harness
from dragoman_service.testing.serving import Served

__all__ = ["engine"]


@asynccontextmanager
async def chained(served: Served, version: str, model: str, **settings: Any) -> AsyncIterator[GeminiProvider]:
    """The provider `gemini` with the service as its upstream."""
    base_url = f"http://{served.running.http_address}/{version}"
    async with open_gemini(GeminiSettings.model_validate({"models": [model], "base_url": base_url, **settings})) as own:
        yield own


class TestOverEcho(OverEcho):
    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        return chained(served, "v1beta", "echo")


class TestVertexOverEcho(Harness):
    """Those laws that say whether the other API answers as the model does."""

    behind: Provider

    test_the_answer_is_that_of_the_model = ChainedLaws.test_the_answer_is_that_of_the_model_asked_directly
    test_the_counted_tokens_are_those_used = ChainedLaws.test_the_counted_tokens_are_those_used
    test_closing_the_iterator_stops_the_upstream = ChainedLaws.test_closing_the_iterator_stops_the_upstream
    provider, running = OverEcho.provider, OverEcho.running

    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        return chained(served, "v1", "echo", project="p", location="l", access_token="token")


class TestOverTheEmbeddedModel(OverTheEmbeddedModel):
    test_the_counted_tokens_are_those_used = ChainedLaws.test_the_counted_tokens_are_those_used

    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        return chained(served, "v1beta", "local")
