"""The laws of models that claim `tools`: they call tools as the request says, and accept results."""

from __future__ import annotations

import json

import pytest
from dragoman import v1

from dragoman_service.contract import Provider
from dragoman_service.testing.provider_laws.harness import Harness, folded

_SCHEMA = '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'


@pytest.mark.asyncio
class ToolLaws(Harness):
    """The part of ProviderLaws about tools."""

    def tool_request(self, provider: Provider, *choices: str) -> v1.CompletionRequest:
        """A request with the tools `weather` and `local_time`, which take a city.

        Skips the test unless the model claims `tools` and all of `choices`, which are fields of ToolChoice.
        """
        request = self.naming(provider, "tools", *(f"tool_choice.{name}" for name in choices))
        del request.messages[:]
        question = "What is the weather in Paris now, and what time is it there?"
        request.messages.add(role=v1.ROLE_USER).parts.add(text=question)
        for name, what in (("weather", "The weather in a city now."), ("local_time", "The time in a city now.")):
            request.tools.add().function.MergeFrom(
                v1.FunctionTool(name=name, description=what, parameters_json_schema=_SCHEMA)
            )
        return request

    async def test_a_required_tool_is_called_with_json_arguments(self, provider: Provider) -> None:
        request = self.tool_request(provider, "mode")
        request.tool_choice.mode = v1.ToolChoice.MODE_REQUIRED
        answer = folded(await self.events(provider, request))
        calls = calls_of(answer)

        assert calls, "a required call was not made"
        assert answer.choices[0].finish_reason == v1.FINISH_REASON_TOOL_CALLS
        assert {call.name for call in calls} <= {"weather", "local_time"}
        assert all(_is_object(call.arguments_json) for call in calls), "arguments are a JSON object"

    async def test_a_tool_call_is_named_once_and_its_pieces_are_not_mixed_with_those_of_others(
        self, provider: Provider
    ) -> None:
        request = self.tool_request(provider, "mode")
        request.tool_choice.mode = v1.ToolChoice.MODE_REQUIRED
        events = await self.events(provider, request)
        pieces = [event.delta.tool_call for event in events if event.delta.HasField("tool_call")]
        begun = [piece.index for piece in pieces if piece.name]

        assert begun == list(range(len(begun))), "calls are numbered from 0, in order, and named in their first piece"
        assert [piece.index for piece in pieces] == sorted(piece.index for piece in pieces)
        assert not any(piece.id for piece in pieces if not piece.name), "the id comes with the name"

    async def test_only_allowed_tools_are_called(self, provider: Provider) -> None:
        request = self.tool_request(provider, "mode")
        request.tool_choice.mode = v1.ToolChoice.MODE_REQUIRED
        request.tool_choice.allowed_functions.append("local_time")
        answer = folded(await self.events(provider, request))

        assert {call.name for call in calls_of(answer)} == {"local_time"}

    async def test_no_tool_is_called_where_none_shall_be(self, provider: Provider) -> None:
        request = self.tool_request(provider)
        request.tool_choice.mode = v1.ToolChoice.MODE_NONE
        answer = folded(await self.events(provider, request))

        assert not calls_of(answer)
        assert answer.choices[0].finish_reason != v1.FINISH_REASON_TOOL_CALLS

    async def test_what_came_of_a_call_can_be_sent_back(self, provider: Provider) -> None:
        request = self.tool_request(provider)
        call = v1.ToolCall(id="call12345", name="weather", arguments_json='{"city": "Paris"}')
        result = v1.ToolResult(tool_call_id=call.id, name=call.name, text="17 degrees, light rain")
        request.messages.add(role=v1.ROLE_ASSISTANT).parts.add(tool_call=call)
        request.messages.add(role=v1.ROLE_TOOL).parts.add(tool_result=result)
        request.tool_choice.mode = v1.ToolChoice.MODE_NONE
        answer = folded(await self.events(provider, request))

        assert any(part.text for part in answer.choices[0].message.parts)


def calls_of(completion: v1.Completion) -> list[v1.ToolCall]:
    """The tool calls of the first choice."""
    return [part.tool_call for part in completion.choices[0].message.parts if part.HasField("tool_call")]


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
