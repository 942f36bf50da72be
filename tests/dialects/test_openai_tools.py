"""Encoding tools and the tool choice in OpenAI's dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.openai.client.quirks import OPENAI, Quirks
from dragoman_service.dialects.openai.client.request import encode_chat
from dragoman_service.errors import CompletionError

AUTO, NONE, REQUIRED = v1.ToolChoice.MODE_AUTO, v1.ToolChoice.MODE_NONE, v1.ToolChoice.MODE_REQUIRED
POOR = Quirks(tool_choices=frozenset(), parallel_tools=False)
SCHEMA = '{"type":"object","properties":{"z":{"const":12345678901234567890123},"a":{}}}'


def sent(quirks: Quirks = OPENAI, *, tools: tuple[str, ...] = ("f", "g"), **choice: Any) -> dict[str, Any]:
    request = v1.CompletionRequest(tools=[v1.Tool(function=v1.FunctionTool(name=name)) for name in tools])
    request.messages.add(role=v1.ROLE_USER).parts.add(text="Hi")
    if choice:
        request.tool_choice.CopyFrom(v1.ToolChoice(**choice))
    body = encode_chat(request, quirks)
    return {key: value for key, value in body.items() if "tool" in key}


def names(body: dict[str, Any]) -> list[str]:
    return [tool["function"]["name"] for tool in body.get("tools", [])]


def test_a_tool_is_sent_with_its_schema_as_it_is() -> None:
    function = v1.FunctionTool(name="f", description="does f", parameters_json_schema=SCHEMA, strict=False)
    request = v1.CompletionRequest(tools=[v1.Tool(function=function)])
    request.messages.add(role=v1.ROLE_USER).parts.add(text="Hi")
    (tool,) = encode_chat(request, OPENAI)["tools"]
    schema = tool["function"].pop("parameters")

    assert tool == {"type": "function", "function": {"name": "f", "description": "does f", "strict": False}}
    assert json.dumps(schema, separators=(",", ":")) == SCHEMA


def test_a_tool_without_parameters_has_an_empty_schema() -> None:
    assert sent(tools=("f",))["tools"][0]["function"] == {
        "name": "f",
        "parameters": {"type": "object", "properties": {}},
    }


@pytest.mark.parametrize("schema", ["{", "[]"])
def test_a_schema_that_is_not_an_object_is_rejected_by_its_path(schema: str) -> None:
    request = v1.CompletionRequest(tools=[v1.Tool(function=v1.FunctionTool(name="f", parameters_json_schema=schema))])
    request.messages.add(role=v1.ROLE_USER).parts.add(text="Hi")
    with pytest.raises(CompletionError) as refused:
        encode_chat(request, OPENAI)

    assert refused.value.fields[0].field == "tools[0].function.parameters_json_schema"


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        ({}, None),
        ({"mode": AUTO}, "auto"),
        ({"mode": NONE}, "none"),
        ({"mode": REQUIRED}, "required"),
        ({"mode": REQUIRED, "allowed_functions": ["g"]}, {"type": "function", "function": {"name": "g"}}),
    ],
)
def test_each_choice_has_its_form(choice: dict[str, Any], wire: Any) -> None:
    assert sent(**choice).get("tool_choice") == wire


def test_tools_that_are_not_allowed_are_not_sent_to_an_upstream_without_allowed_tools() -> None:
    some = sent(tools=("f", "g", "h"), mode=REQUIRED, allowed_functions=["f", "h"])

    assert (names(some), some["tool_choice"]) == (["f", "h"], "required")
    assert names(sent(mode=AUTO, allowed_functions=["g"])) == ["g"]


def test_allowed_tools_are_sent_to_an_upstream_that_accepts_them() -> None:
    some = sent(Quirks(allowed_tools=True), tools=("f", "g", "h"), mode=AUTO, allowed_functions=["f", "h"])

    assert names(some) == ["f", "g", "h"]
    assert some["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "auto",
            "tools": [{"type": "function", "function": {"name": name}} for name in ("f", "h")],
        },
    }


def test_an_upstream_without_tool_choices_is_sent_no_tools_it_must_not_call() -> None:
    assert sent(POOR, mode=NONE) == {}
    assert sent(POOR, mode=AUTO, allowed_functions=["g"], parallel=True) == sent(POOR, tools=("g",))


def test_an_upstream_that_accepts_no_tool_names_is_sent_the_one_required_tool_only() -> None:
    one = sent(Quirks(tool_choices=frozenset({"required"})), mode=REQUIRED, allowed_functions=["g"])

    assert (names(one), one["tool_choice"]) == (["g"], "required")


@pytest.mark.parametrize(
    ("choice", "field"),
    [({"mode": REQUIRED}, "tool_choice.mode"), ({"mode": AUTO, "parallel": False}, "tool_choice.parallel")],
)
def test_a_choice_that_the_upstream_does_not_enforce_is_rejected(choice: dict[str, Any], field: str) -> None:
    with pytest.raises(CompletionError) as refused:
        sent(POOR, **choice)

    assert refused.value.reason == v1.ERROR_REASON_UNSUPPORTED_FIELD
    assert refused.value.fields[0].field == field


def test_whether_calls_may_be_parallel_is_passed_on() -> None:
    assert sent(mode=AUTO, parallel=False)["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in sent(mode=AUTO)


def test_without_tools_there_is_no_choice() -> None:
    assert sent(tools=(), mode=NONE) == {}


def conversation(*results: v1.ToolResult) -> v1.CompletionRequest:
    calls = [
        v1.Part(tool_call=v1.ToolCall(id="a", name="f", arguments_json='{"x": 1}')),
        v1.Part(tool_call=v1.ToolCall(id="b", name="g")),
    ]
    answer = v1.Message(role=v1.ROLE_ASSISTANT, parts=calls)
    return v1.CompletionRequest(
        messages=[answer, v1.Message(role=v1.ROLE_TOOL, parts=[v1.Part(tool_result=result) for result in results])]
    )


RESULTS = (v1.ToolResult(tool_call_id="a", text="1"), v1.ToolResult(tool_call_id="b", name="gg", text="2"))


def test_calls_and_their_results_go_back_each_result_as_a_message() -> None:
    answer, first, second = encode_chat(conversation(*RESULTS), OPENAI)["messages"]

    assert answer == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }
    assert first == {"role": "tool", "tool_call_id": "a", "content": "1"}
    assert second == {"role": "tool", "tool_call_id": "b", "content": "2"}


def test_results_have_the_name_of_their_function_if_the_upstream_expects_it() -> None:
    _, first, second = encode_chat(conversation(*RESULTS), Quirks(tool_names=True))["messages"]

    assert (first["name"], second["name"]) == ("f", "gg")


def test_text_with_calls_is_kept_and_text_with_results_is_rejected() -> None:
    request = conversation(*RESULTS)
    request.messages[0].parts.add(text="Let me look.")

    assert encode_chat(request, OPENAI)["messages"][0]["content"] == "Let me look."

    request.messages[1].parts.add(text="?")
    with pytest.raises(CompletionError) as refused:
        encode_chat(request, OPENAI)

    assert refused.value.fields[0].field == "messages.parts"
