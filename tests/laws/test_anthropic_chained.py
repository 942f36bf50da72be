"""The provider `anthropic` in front of our own frontend keeps the laws, and answers as the model behind it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from chained_laws import ChainedLaws, OverEcho, OverTheEmbeddedModel, engine
from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.providers.anthropic.provider import MARK, AnthropicProvider, open_anthropic
from dragoman_service.providers.anthropic.settings import AnthropicSettings
from dragoman_service.testing.scripted import Scripted, Step, choice_finished
from dragoman_service.testing.serving import Served, serving

__all__ = ["engine"]


@asynccontextmanager
async def chained(served: Served, *models: str, **settings: Any) -> AsyncIterator[AnthropicProvider]:
    """The provider `anthropic` with the service as its upstream, which lists its models if none are named."""
    table = {"base_url": f"http://{served.running.http_address}/v1", **({"models": models} if models else {})}
    async with open_anthropic(AnthropicSettings.model_validate(table | settings)) as own:
        yield own


class TestOverEcho(OverEcho):
    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        return chained(served)


class TestOverTheEmbeddedModel(OverTheEmbeddedModel):
    test_the_counted_tokens_are_those_used = ChainedLaws.test_the_counted_tokens_are_those_used

    def chain(self, served: Served) -> AbstractAsyncContextManager[Provider]:
        return chained(served, "local")


PROMPT = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Weather?")])
CALLED = v1.ToolCallDelta(index=0, id="toolu_1", name="weather", arguments_json='{"city":"Oslo"}')
MODEL = v1.Model(
    provider_model="scripted",
    availability=v1.AVAILABILITY_READY,
    supported_fields=["generation_config.reasoning", "messages.blob", "messages.reasoning", "tools"],
)
SPOKEN: tuple[Step, ...] = (
    v1.CompletionEvent(delta=v1.Delta(reasoning="Hm.", state=b"\x00thought")),
    v1.CompletionEvent(delta=v1.Delta(reasoning="", state=b"\x01secret")),
    v1.CompletionEvent(delta=v1.Delta(text="Let me look.", state=b"\x02text")),
    v1.CompletionEvent(delta=v1.Delta(tool_call=CALLED, state=b"\x03call")),
    v1.CompletionEvent(
        usage=v1.Usage(
            input_tokens=50, output_tokens=9, cached_input_tokens=20, cache_write_tokens=10, reasoning_tokens=4
        )
    ),
    choice_finished(finish_reason=v1.FINISH_REASON_TOOL_CALLS),
)


@pytest.mark.parametrize("thinking", [True, False])
async def test_thinking_state_tools_and_caches_pass_through_service_and_provider_and_return(thinking: bool) -> None:
    model = Scripted(*SPOKEN, model=MODEL)
    named = {"models.m.targets": ["s/scripted"]}
    request = v1.CompletionRequest(model="far/m", messages=[PROMPT], tools=[v1.Tool(function={"name": "weather"})])
    if thinking:
        request.generation_config.reasoning.effort = v1.REASONING_EFFORT_MEDIUM
    async with (
        serving({"s": model}, named) as inner,
        chained(inner, "m") as provider,
        serving({"far": provider}) as served,
    ):
        *_, last = [event async for event in served.completions.StreamCompletion(request)]
        first = await served.completions.CreateCompletion(request)
        result = v1.ToolResult(tool_call_id="toolu_1", name="weather", text="Snow", is_error=True)
        image = v1.Part(blob=v1.Blob(media_type="image/png", data=b"png"))
        answered = v1.Message(role=v1.ROLE_TOOL, parts=[v1.Part(tool_result=result), image])
        answered.parts[1].cache_hint.ttl.seconds = 3600  # on the wire it is that of the result and its files
        request.messages.extend([first.choices[0].message, answered])
        await served.completions.CreateCompletion(request)
    parts, sent = first.choices[0].message.parts, model.requests[-1]
    states = [part.state for part in sent.messages[1].parts]

    assert first.choices == last.finished.completion.choices
    assert first.usage == last.finished.completion.usage
    assert (first.usage.input_tokens, first.usage.cached_input_tokens, first.usage.cache_write_tokens) == (50, 20, 10)
    assert first.usage.reasoning_tokens == 4
    assert all(part.state.startswith(MARK) for part in parts)
    assert [part.reasoning.text for part in parts if part.HasField("reasoning")] == (
        ["Hm.", ""] if thinking else ["", ""]
    )
    assert states == [b"\x00thought", b"\x01secret", b"\x02text", b"\x03call"]
    assert sent.messages[1].parts[3].tool_call.arguments_json == '{"city":"Oslo"}'
    assert list(sent.messages[2].parts) == list(answered.parts)
