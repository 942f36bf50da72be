"""The provider `vertex` in front of our own frontend keeps the laws, and answers as the model behind it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dragoman import v1
from dragoman_service.contract import Call, Provider
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.providers.google.vertex.provider import VertexProvider, open_vertex
from dragoman_service.providers.google.vertex.settings import VertexSettings
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.testing import Scripted, choice_finished, delta, usage
from dragoman_service.testing.provider_laws.harness import Harness, folded
from dragoman_service.testing.serving import Served, serving
from test_yandex_chained import ChainedLaws, engine, requests_in

__all__ = ["engine"]


@asynccontextmanager
async def chained(served: Served, **models: str) -> AsyncIterator[VertexProvider]:
    """The provider `vertex` with the service as its upstream. `models` have families."""
    base_url = f"http://{served.running.http_address}/v1"
    settings = {"project": "p", "models": models, "base_url": base_url, "access_token": "token"}
    async with open_vertex(VertexSettings.model_validate(settings)) as provider:
        yield provider


class TestOverEcho(ChainedLaws):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[VertexProvider]:
        self.behind = Echo(EchoSettings(delay=0.005))
        async with serving({"echo": self.behind}) as served, chained(served, echo="chat") as provider:
            yield provider

    def failing_request(self, provider: Provider) -> v1.CompletionRequest:
        request = self.request(provider)
        request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text='echo: {"fail_after": 2}')
        return request

    async def running(self, provider: Provider) -> int:
        assert isinstance(self.behind, Echo)
        return self.behind.running


class TestOverTheEmbeddedModel(Harness):
    """Only the laws that echo does not prove, because each test takes a service of its own."""

    behind: Provider

    test_the_answer_is_that_of_the_model = ChainedLaws.test_the_answer_is_that_of_the_model_asked_directly
    test_closing_the_iterator_stops_the_upstream = ChainedLaws.test_closing_the_iterator_stops_the_upstream

    @pytest.fixture
    async def provider(self, engine: Path) -> AsyncIterator[VertexProvider]:
        async with (
            open_http("http://localhost", unix_socket=engine) as self.engine,
            serving(settings={"providers": {"local": {"engine": engine}}}) as served,
            chained(served, local="text") as provider,
        ):
            self.behind = served.running.opened.providers["local"]
            yield provider

    def request(self, provider: Provider) -> v1.CompletionRequest:
        request = super().request(provider)
        request.generation_config.max_output_tokens = 16
        return request

    async def running(self, provider: Provider) -> int:
        return await requests_in(self.engine)


PROMPT = v1.SafetyAssessment(ratings=[v1.SafetyRating(category="toxic", score=0.25)])
FOUND = v1.SafetyAssessment(
    blocked=True,
    ratings=[
        v1.SafetyRating(category="hate_speech", score=0.75, level=v1.SAFETY_LEVEL_HIGH, blocked=True),
        v1.SafetyRating(category="death, harm & tragedy", level=v1.SAFETY_LEVEL_LOW),
    ],
    codes=["251"],
    message="Ask for something else.",
)
CITED = v1.Citation(start_index=1, end_index=4, uri="https://example.com/a", title="é", publication_date="2024-05")


@pytest.mark.parametrize("family", ["chat", "text"])
async def test_ratings_and_citations_pass_unharmed(family: str) -> None:
    behind = Scripted(
        v1.CompletionEvent(safety=v1.SafetyReport(assessment=PROMPT)),
        delta("Aé😀b"),
        v1.CompletionEvent(citations=v1.CitationReport(citations=[CITED])),
        v1.CompletionEvent(safety=v1.SafetyReport(choice_index=0, assessment=FOUND)),
        choice_finished(finish_reason=v1.FINISH_REASON_CONTENT_FILTER),
        usage(3, 2),
    )
    request = v1.CompletionRequest(model="scripted/scripted")
    request.messages.add(role=v1.ROLE_USER).parts.add(text="hello")
    async with (
        serving({"scripted": behind}) as served,
        chained(served, **{"scripted/scripted": family}) as provider,
    ):
        completion = folded([event async for event in provider.complete(request, Call("call", "caller"))])
    (choice,) = completion.choices

    assert (choice.message.parts[0].text, choice.finish_reason) == ("Aé😀b", v1.FINISH_REASON_CONTENT_FILTER)
    assert choice.safety == FOUND
    assert list(choice.citations) == [CITED]
    assert completion.prompt_safety == PROMPT
