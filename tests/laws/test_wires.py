"""What each wire carries from a service to the one behind it: docs/wires.md is what was seen."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.providers.openai.provider import open_openai
from dragoman_service.providers.openai.settings import OpenAISettings
from dragoman_service.testing import Scripted, Served, choice_finished, delta, serving
from dragoman_service.testing.provider_laws.claims import FIELDS
from test_anthropic_chained import chained as over_anthropic
from test_gemini_chained import chained as over_gemini
from test_xai_chained import chained as over_xai
from test_yandex_chained import chained as over_yandex
from wire_probes import ANSWERS, MESSAGES, SETTINGS, TOOLS, Answered, Asked, asking, returned, said

PAGE = Path(__file__).parents[2] / "docs" / "wires.md"
MODEL = v1.Model(
    provider_model="m",
    aliases=["m"],
    supported_fields=[*sorted(FIELDS), "extensions"],
    availability=v1.AVAILABILITY_READY,
)
HEADER = "| field |"
Over = Callable[[Served], AbstractAsyncContextManager[Provider]]


@asynccontextmanager
async def over_openai(served: Served, **settings: Any) -> AsyncIterator[Provider]:
    table = {"base_url": f"http://{served.running.http_address}/v1", "models": ["m"], **settings}
    async with open_openai(OpenAISettings.model_validate(table)) as provider:
        yield provider


WIRES: dict[str, Over] = {
    "OpenAI": over_openai,
    "Gemini": lambda served: over_gemini(served, "v1beta", "m"),
    "Anthropic": lambda served: over_anthropic(served, "m"),
    "xAI": lambda served: over_xai(served, "m"),
    "Yandex": lambda served: over_yandex(served, "m"),
}
WHOLE: dict[str, Over] = {
    "OpenAI": lambda served: over_openai(served, upstream="whole"),
    "Gemini": lambda served: over_gemini(served, "v1beta", "m", upstream="whole"),
    "Anthropic": lambda served: over_anthropic(served, "m", upstream="whole"),
    "xAI": lambda served: over_xai(served, "m", upstream="whole"),
    "Yandex": lambda served: over_yandex(served, "m", upstream="whole"),
}
"""The same wires with whole answers, where a provider can get these."""
STATEFUL = ("Gemini", "Anthropic")
"""Wires that carry the state of reasoning and of calls."""


class Chain:
    """A service whose provider has another service as its upstream, whose only model is `behind`."""

    def __init__(self, served: Served, behind: Scripted) -> None:
        self._served, self.behind = served, behind

    async def complete(self, request: v1.CompletionRequest, *events: v1.CompletionEvent) -> v1.Completion:
        self.behind.requests.clear()
        choices = range(request.generation_config.choice_count or 1)
        plain = [event for index in choices for event in (delta("Yes", index), choice_finished(index))]
        self.behind._steps = events or plain
        request.model = "outer/m"
        completion: v1.Completion = await self._served.completions.CreateCompletion(request)
        return completion

    async def carries_request(self, asked: Asked) -> str:
        """`yes`, `changed` if something else arrives, `refused` if the field is refused by its name."""
        try:
            await self.complete(asked.request)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.INVALID_ARGUMENT:
                raise
            return "refused"
        return "yes" if asked.seen(self.behind.requests[0]) == asked.seen(asked.request) else "changed"

    async def carries_answer(self, answered: Answered, direct: v1.Completion) -> str:
        request = asking(tools=TOOLS) if "tool_call" in answered.field else asking()
        if answered.field == "logprobs":
            request.generation_config.include_logprobs = True
        if answered.field == "reasoning":
            request.generation_config.reasoning.visibility = v1.REASONING_VISIBILITY_VISIBLE
        try:
            found = await self.complete(request, *answered.events)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.INVALID_ARGUMENT:
                raise
            return "refused"
        return "yes" if answered.seen(found) == answered.seen(direct) else "changed"


@asynccontextmanager
async def chain(over: Over) -> AsyncIterator[Chain]:
    behind = Scripted(model=MODEL)
    async with (
        serving({"behind": behind}) as inner,
        over(inner) as provider,
        serving({"outer": provider}) as outer,
    ):
        yield Chain(outer, behind)


async def seen_over(over: Over, *, whole: bool = False) -> dict[str, str]:
    """The cells of a wire. `whole`: the service behind must be asked for whole answers alone."""
    async with chain(over) as wire, direct() as alone:
        cells = {asked.field: await wire.carries_request(asked) for asked in (*MESSAGES, *SETTINGS)}
        for answered in ANSWERS:
            expected = await alone.complete(asking(tools=TOOLS), *answered.events)
            cells[f"answer: {answered.field}"] = await wire.carries_answer(answered, expected)
        assert not (whole and any(call.streaming for call in wire.behind.calls))
    return cells


@asynccontextmanager
async def direct() -> AsyncIterator[Chain]:
    """The model without a wire before it."""
    behind = Scripted(model=MODEL)
    async with serving({"outer": behind}) as served:
        yield Chain(served, behind)


def table(columns: dict[str, dict[str, str]]) -> str:
    """The table of docs/wires.md."""
    rows = [["field", *columns], ["---"] * (1 + len(columns))]
    rows += [[field, *(cells[field] for cells in columns.values())] for field in next(iter(columns.values()))]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


async def test_the_page_says_what_each_wire_carries() -> None:
    found = table({name: await seen_over(over) for name, over in WIRES.items()})
    head, _, rest = PAGE.read_text().partition(HEADER)
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(f"{head}{found}\n{rest.partition(chr(10) * 2)[2]}")

    assert f"\n{found}\n" in PAGE.read_text(), "write it with `WRITE_PAGES=1 pytest tests/laws/test_wires.py`"


@pytest.mark.parametrize("name", WHOLE)
async def test_whole_answers_carry_what_streams_carry(name: str) -> None:
    streamed, whole = await seen_over(WIRES[name]), await seen_over(WHOLE[name], whole=True)

    assert whole == streamed


def conversation(first: v1.Completion) -> v1.CompletionRequest:
    """The next turn: the answer as it was received, and the result of its call."""
    call = next(part.tool_call for part in first.choices[0].message.parts if part.HasField("tool_call"))
    result = returned()
    result.tool_result.tool_call_id = call.id
    turns = [said(v1.ROLE_USER, v1.Part(text="Look")), first.choices[0].message, said(v1.ROLE_TOOL, result)]
    return asking(*turns, tools=TOOLS)


@pytest.mark.parametrize("name", WIRES)
async def test_a_conversation_with_tools_and_thinking_comes_back_whole(name: str) -> None:
    call = v1.ToolCallDelta(index=0, id="c-1", name="look", arguments_json='{"a":"b"}')
    events = [
        v1.CompletionEvent(delta=content)
        for content in (
            v1.Delta(reasoning="Let me", state=b"signed\x00"),
            v1.Delta(text="I look."),
            v1.Delta(tool_call=call, state=b"of the call"),
        )
    ]
    end = v1.CompletionEvent(choice_finished=v1.ChoiceFinished(finish_reason=v1.FINISH_REASON_TOOL_CALLS))
    async with chain(WIRES[name]) as wire:
        question = asking(said(v1.ROLE_USER, v1.Part(text="Look")), tools=TOOLS)
        question.generation_config.reasoning.visibility = v1.REASONING_VISIBILITY_VISIBLE
        first = await wire.complete(question, *events, end)
        await wire.complete(conversation(first))
        turns = wire.behind.requests[0].messages

    kept: dict[str, Any] = {}
    for part in (part for turn in turns for part in turn.parts):
        kept[str(part.WhichOneof("content"))] = part
    assert (kept["tool_call"].tool_call.name, kept["tool_call"].tool_call.arguments_json) == ("look", '{"a":"b"}')
    assert kept["tool_result"].tool_result.text == "a wall"
    assert kept["tool_result"].tool_result.tool_call_id == kept["tool_call"].tool_call.id
    if name in STATEFUL:
        assert (kept["reasoning"].reasoning.text, kept["reasoning"].state) == ("Let me", b"signed\x00")
        assert kept["tool_call"].state == b"of the call"
