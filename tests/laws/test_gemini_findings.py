"""Ratings, citations and state of a model pass unharmed through the frontend, the provider `gemini` and a service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from dragoman import v1
from dragoman_service.providers.google.gemini.provider import MARK, open_gemini
from dragoman_service.providers.google.gemini.settings import GeminiSettings
from dragoman_service.testing import Served, serving
from dragoman_service.testing.scripted import Scripted, Step, choice_finished, delta, usage

PROMPT = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Who said this?")])
ANSWER = "Größe über alles, said nobody."
RATED = v1.SafetyRating(category="harassment", level=v1.SAFETY_LEVEL_LOW, source="scripted")
CITED = v1.Citation(start_index=6, end_index=16, uri="https://e.example", license="MIT")
MODEL = v1.Model(
    provider_model="scripted",
    availability=v1.AVAILABILITY_READY,
    supported_fields=["generation_config.reasoning", "messages.reasoning", "safety_settings", "tools"],
)
SPOKEN: tuple[Step, ...] = (
    v1.CompletionEvent(safety=v1.SafetyReport(assessment=v1.SafetyAssessment(ratings=[RATED]))),
    v1.CompletionEvent(delta=v1.Delta(reasoning="Hm.", state=b"\x00thought")),
    delta(ANSWER[:9]),
    v1.CompletionEvent(delta=v1.Delta(text=ANSWER[9:], state=b"text")),
    v1.CompletionEvent(safety=v1.SafetyReport(choice_index=0, assessment=v1.SafetyAssessment(ratings=[RATED]))),
    v1.CompletionEvent(citations=v1.CitationReport(citations=[CITED])),
    usage(5, 7),
    choice_finished(),
)


@asynccontextmanager
async def outer(version: str = "v1beta", project: str | None = None, **models: Scripted) -> AsyncIterator[Served]:
    """A service whose provider is `gemini` in front of another service with the models, each under its name."""
    named = {f"models.{name}.targets": [f"{name}/scripted"] for name in models}
    async with serving(models, named) as inner:
        address = f"http://{inner.running.http_address}/{version}"
        table = {"models": list(models), "base_url": address, **({"project": project} if project else {})}
        async with open_gemini(GeminiSettings.model_validate(table)) as provider, serving({"far": provider}) as served:
            yield served


async def answered(served: Served, model: str, *messages: v1.Message) -> v1.Completion:
    """The answer, which is the same streamed and complete."""
    request = v1.CompletionRequest(model=f"far/{model}", messages=messages)
    request.generation_config.reasoning.effort = v1.REASONING_EFFORT_MEDIUM
    request.safety_settings.add(category="harassment", block_at=v1.SAFETY_THRESHOLD_NONE)
    *_, last = [event async for event in served.completions.StreamCompletion(request)]
    complete = await served.completions.CreateCompletion(request)

    assert complete.choices == last.finished.completion.choices
    return complete


@pytest.mark.parametrize(("version", "project"), [("v1beta", None), ("v1", "p")], ids=["gemini", "vertex"])
async def test_everything_that_was_found_arrives_and_state_returns(version: str, project: str | None) -> None:
    model = Scripted(*SPOKEN, model=MODEL)
    async with outer(version, project, m=model) as served:
        first = await answered(served, "m", PROMPT)
        await answered(served, "m", PROMPT, first.choices[0].message, PROMPT)
    (choice,) = first.choices
    (rating,) = choice.safety.ratings

    assert [(part.reasoning.text or part.text, part.state) for part in choice.message.parts] == [
        ("Hm.", MARK + b"\x00thought"),
        (ANSWER, MARK + b"text"),
    ]
    assert list(choice.citations) == [CITED]
    assert (rating.category, rating.level, rating.source) == ("harassment", v1.SAFETY_LEVEL_LOW, "far")
    assert [each.category for each in first.prompt_safety.ratings] == ["harassment"]
    assert [part.state for part in model.requests[-1].messages[1].parts] == [b"\x00thought", b"text"]
    assert list(model.requests[-1].safety_settings) == [
        v1.SafetySetting(category="harassment", block_at=v1.SAFETY_THRESHOLD_NONE)
    ]


async def test_a_blocked_prompt_and_a_withheld_answer_stay_what_they_are() -> None:
    blocked = v1.SafetyAssessment(blocked=True, ratings=[RATED])
    end = choice_finished(finish_reason=v1.FINISH_REASON_CONTENT_FILTER)
    answer = v1.CompletionEvent(safety=v1.SafetyReport(choice_index=0, assessment=blocked))
    prompt = v1.CompletionEvent(safety=v1.SafetyReport(assessment=blocked))
    models = {
        "withheld": Scripted(delta("I ha"), answer, usage(5, 2), end, model=MODEL),
        "refused": Scripted(prompt, usage(5, 0), end, model=MODEL),
    }
    async with outer(**models) as served:
        withheld, refused = await answered(served, "withheld", PROMPT), await answered(served, "refused", PROMPT)

    assert withheld.choices[0].finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert withheld.choices[0].message.parts[0].text == "I ha"
    assert withheld.choices[0].safety.blocked
    assert withheld.usage.output_tokens == 2
    assert refused.prompt_safety.blocked
    assert (list(refused.choices[0].message.parts), refused.usage.input_tokens) == ([], 5)
