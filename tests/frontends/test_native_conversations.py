"""Prompts, tools and tool results: which requests are valid, and what the errors of others say."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.validation import check_request, limits

HELLO = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hello")])
CALL = v1.Part(tool_call=v1.ToolCall(id="1", name="weather", arguments_json="{oops"))
RESULT = v1.Part(tool_result=v1.ToolResult(tool_call_id="1"))
WEATHER = v1.Tool(function=v1.FunctionTool(name="weather"))
NONE, REQUIRED = v1.ToolChoice.MODE_NONE, v1.ToolChoice.MODE_REQUIRED


def said(role: int, *parts: v1.Part) -> v1.Message:
    return v1.Message(role=role, parts=parts)


def wrong(*messages: v1.Message, **fields: object) -> list[str]:
    try:
        check_request(v1.CompletionRequest(model="echo", messages=messages, **fields))
    except CompletionError as error:
        return [violation.field for violation in error.fields]
    return []


def tool(name: str = "weather", schema: str = "") -> v1.Tool:
    return v1.Tool(function=v1.FunctionTool(name=name, parameters_json_schema=schema))


def test_one_of_messages_and_prompt_is_required():
    assert wrong() == ["messages"]
    assert wrong(HELLO) == []
    assert wrong(prompt="Once") == []
    assert wrong(HELLO, prompt="Once") == ["prompt"]


def test_a_prompt_takes_no_tools():
    assert wrong(prompt="Once", tools=[WEATHER]) == ["tools"]


@pytest.mark.parametrize(
    ("messages", "fields"),
    [
        ([said(v1.ROLE_ASSISTANT, CALL), said(v1.ROLE_TOOL, RESULT)], []),
        ([said(v1.ROLE_ASSISTANT, v1.Part(text="Let me look."), CALL, CALL), said(v1.ROLE_TOOL, RESULT, RESULT)], []),
        ([said(v1.ROLE_ASSISTANT, CALL), HELLO, said(v1.ROLE_TOOL, RESULT)], []),
        ([said(v1.ROLE_ASSISTANT, CALL)], []),
        (
            [said(v1.ROLE_TOOL, RESULT), said(v1.ROLE_ASSISTANT, CALL)],
            ["messages[0].parts[0].tool_result.tool_call_id"],
        ),
        (
            [said(v1.ROLE_ASSISTANT, CALL), said(v1.ROLE_TOOL, v1.Part(tool_result=v1.ToolResult(text="Rain")))],
            ["messages[1].parts[0].tool_result.tool_call_id"],
        ),
        ([said(v1.ROLE_ASSISTANT, CALL), said(v1.ROLE_USER, RESULT)], ["messages[1].parts[0].tool_result"]),
        ([said(v1.ROLE_ASSISTANT, CALL), said(v1.ROLE_ASSISTANT, RESULT)], ["messages[1].parts[0].tool_result"]),
        ([said(v1.ROLE_TOOL, v1.Part(text="Rain"))], ["messages[0].parts[0].text"]),
        ([said(v1.ROLE_TOOL, CALL)], ["messages[0].parts[0].tool_call"]),
        ([said(v1.ROLE_USER, CALL)], ["messages[0].parts[0].tool_call"]),
        (
            [said(v1.ROLE_ASSISTANT, v1.Part(tool_call=v1.ToolCall()))],
            ["messages[0].parts[0].tool_call.id", "messages[0].parts[0].tool_call.name"],
        ),
    ],
)
def test_calls_and_results_stand_where_they_make_sense(messages, fields):
    assert wrong(*messages) == fields


@pytest.mark.parametrize(
    ("tools", "fields"),
    [
        ([tool("weather"), tool("Local_time-2")], []),
        ([tool(schema="{}"), tool("b", '{"type": "object"}')], []),
        ([tool("weather"), tool("weather")], ["tools[1].function.name"]),
        ([tool("")], ["tools[0].function.name"]),
        ([tool("no spaces")], ["tools[0].function.name"]),
        ([tool("café")], ["tools[0].function.name"]),
        ([tool("weather\n")], ["tools[0].function.name"]),
        ([v1.Tool()], ["tools[0]"]),
        ([tool(schema="{")], ["tools[0].function.parameters_json_schema"]),
        ([tool(schema="[]")], ["tools[0].function.parameters_json_schema"]),
        ([tool(schema="[" * 60_000)], ["tools[0].function.parameters_json_schema"]),
        ([tool(schema='{"maximum": NaN}')], ["tools[0].function.parameters_json_schema"]),
    ],
)
def test_each_tool_has_a_name_of_its_own_and_a_schema_that_is_an_object(tools, fields):
    assert wrong(HELLO, tools=tools) == fields


@pytest.mark.parametrize(
    ("choice", "fields"),
    [
        ({}, []),
        ({"mode": NONE}, []),
        ({"mode": REQUIRED, "allowed_functions": ["weather"], "parallel": False}, []),
        ({"mode": 9}, ["tool_choice.mode"]),
        ({"allowed_functions": ["weather", "rain"]}, ["tool_choice.allowed_functions[1]"]),
        ({"allowed_functions": ["weather", "weather"]}, ["tool_choice.allowed_functions[1]"]),
    ],
)
def test_a_choice_is_among_the_tools_that_there_are(choice, fields):
    assert wrong(HELLO, tools=[WEATHER], tool_choice=v1.ToolChoice(**choice)) == fields


@pytest.mark.parametrize(
    ("choice", "fields"),
    [
        ({"mode": NONE}, []),
        ({}, ["tool_choice"]),
        ({"mode": REQUIRED}, ["tool_choice"]),
        ({"mode": NONE, "allowed_functions": ["weather"]}, ["tool_choice.allowed_functions[0]"]),
    ],
)
def test_a_choice_needs_tools_unless_none_shall_be_called(choice, fields):
    assert wrong(HELLO, tool_choice=v1.ToolChoice(**choice)) == fields


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_choice_names_as_many_functions_as_there_may_be_tools(more):
    names = [f"tool-{number}" for number in range(limits.TOOLS)]
    allowed = [*names, "weather"][: limits.TOOLS + more]

    choice = v1.ToolChoice(allowed_functions=allowed)
    found = wrong(HELLO, tools=[tool(name) for name in names], tool_choice=choice)
    assert found == (["tool_choice.allowed_functions"] if more > 0 else [])


def test_every_effort_of_the_schema_is_taken():
    for effort in v1.ReasoningEffort.values()[1:]:
        config = v1.GenerationConfig(reasoning=v1.ReasoningConfig(effort=effort))

        assert wrong(HELLO, generation_config=config) == []
