"""The provider `vertex` in front of our own frontend keeps the laws, and answers as the model behind it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from chained_laws import OverEcho, OverTheEmbeddedModel, engine
from dragoman import v1
from dragoman_service.contract import Call, Provider
from dragoman_service.providers.google.vertex.provider import VertexProvider, open_vertex
from dragoman_service.providers.google.vertex.settings import VertexSettings
from dragoman_service.testing import Scripted, choice_finished, delta, usage
from dragoman_service.testing.provider_laws.harness import folded
from dragoman_service.testing.serving import Served, serving

__all__ = ["engine"]


@asynccontextmanager
async def chained(served: Served, **models: str) -> AsyncIterator[VertexProvider]:
    """The provider `vertex` with the service as its upstream. `models` have families."""
    base_url = f"http://{served.running.http_address}/v1"
    settings = {"project": "p", "models": models, "base_url": base_url, "access_token": "token"}
    async with open_vertex(VertexSettings.model_validate(settings)) as provider:
        yield provider


class TestOverEcho(OverEcho):
    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        return chained(served, echo="chat")


class TestOverTheEmbeddedModel(OverTheEmbeddedModel):
    def claiming_less(self, provider: Provider) -> Provider:
        return provider

    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        return chained(served, local="text")


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
