"""Messages and tools of OpenAI's API: every part is decoded, or refused by its path."""

from __future__ import annotations

from typing import Any

import pytest
from dragoman import v1
from openai_bodies import CALL, TOOL, chat, decoded_messages, refusal

RESULT = {"role": "tool", "tool_call_id": "c1", "content": "42"}


@pytest.mark.parametrize(
    ("role", "ours"),
    [
        ("system", v1.ROLE_SYSTEM),
        ("developer", v1.ROLE_DEVELOPER),
        ("user", v1.ROLE_USER),
        ("assistant", v1.ROLE_ASSISTANT),
        ("data", v1.ROLE_DATA),
    ],
)
def test_every_role_is_decoded(role: str, ours: v1.Role.ValueType) -> None:
    messages = decoded_messages({"role": role, "content": "x", "name": "ann"})

    assert messages == [v1.Message(role=ours, parts=[v1.Part(text="x")], author="ann")]


def test_an_earlier_answer_keeps_all_its_parts() -> None:
    as_dumped = {"annotations": None, "audio": None, "function_call": None}
    answer = {"role": "assistant", "reasoning_content": "hm", "content": "yes", "refusal": "no", "tool_calls": [CALL]}
    (message,) = decoded_messages({**answer, **as_dumped})

    assert [part.WhichOneof("content") for part in message.parts] == ["reasoning", "text", "refusal", "tool_call"]
    assert message.parts[3].tool_call == v1.ToolCall(id="c1", name="f", arguments_json="{}")


def test_content_may_be_a_list_of_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "refusal", "refusal": "c"}]
    (message,) = decoded_messages({"role": "assistant", "content": parts})

    assert list(message.parts) == [v1.Part(text="a"), v1.Part(text="b"), v1.Part(refusal="c")]


@pytest.mark.parametrize(
    ("content", "text"),
    [("42", "42"), ([{"type": "text", "text": "4"}, {"type": "text", "text": "2"}], "4\n2"), (None, ""), ([], "")],
)
def test_the_result_of_a_call_is_decoded(content: Any, text: str) -> None:
    message = decoded_messages({"role": "tool", "tool_call_id": "c1", "content": content})[0]

    assert message.parts[0].tool_result == v1.ToolResult(tool_call_id="c1", text=text)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "function", "name": "f", "content": "x"}, "messages[0].name"),
        ({"role": "function", "content": "x"}, "messages[0].name"),
        ({"role": "wizard", "content": "x"}, "messages[0].role"),
        ({"content": "x"}, "messages[0].role"),
        ({"role": "user", "content": 5}, "messages[0].content"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "messages[0].content[0].image_url.url"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": "data:,a"}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "?"}}]},
            "messages[0].content[0].input_audio.data",
        ),
        ({"role": "user", "content": [{"type": "file", "file": {}}]}, "messages[0].content[0].file.file_data"),
        ({"role": "user", "content": [{"type": "video_url", "video_url": {}}]}, "messages[0].content[0].type"),
        ({"role": "user", "content": [{"type": "text", "text": 5}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": "x", "tool_calls": [CALL]}, "messages[0].tool_calls"),
        ({"role": "user", "content": "x", "tool_call_id": "c"}, "messages[0].tool_call_id"),
        ({"role": "user", "content": "x", "refusal": "no"}, "messages[0].refusal"),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        ({**RESULT, "refusal": "no"}, "messages[0].refusal"),
        ({**RESULT, "reasoning_content": "hm"}, "messages[0].reasoning_content"),
        ({**RESULT, "reasoning": "hm"}, "messages[0].reasoning"),
        ({**RESULT, "content": [{"type": "refusal", "refusal": "no"}]}, "messages[0].content"),
        ({"role": "assistant", "tool_calls": [{**CALL, "id": 5}]}, "messages[0].tool_calls[0].id"),
        ({"role": "assistant", "tool_calls": [{**CALL, "type": "custom"}]}, "messages[0].tool_calls[0].type"),
        (
            {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": 5}}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
    ],
)
def test_an_invalid_message_is_refused_by_its_invalid_part(message: dict[str, Any], param: str) -> None:
    assert refusal(chat, messages=[message])[0] == param


def test_unknown_keys_become_extensions_where_they_stand() -> None:
    part = {"type": "text", "text": "x", "more": 1}
    (message,) = decoded_messages({"role": "assistant", "content": [part], "k": None, "a": {"b": 2, "a": 1}})
    request = chat(
        foo=[1], tools=[{**TOOL, "t": True}], messages=[{"role": "assistant", "tool_calls": [{**CALL, "c": 1}]}]
    )

    assert dict(message.extensions) == {"a": '{"b":2,"a":1}'}
    assert dict(message.parts[0].extensions) == {"more": "1"}
    assert dict(request.request.extensions) == {"foo": "[1]"}
    assert dict(request.request.tools[0].extensions) == {"t": "true"}
    assert dict(request.request.messages[0].parts[0].tool_call.extensions) == {"c": "1"}


def test_tools_keep_the_order_of_their_schema() -> None:
    described = {"type": "function", "function": {**TOOL["function"], "description": "d", "strict": True}}
    request = chat(tools=[described]).request

    schema = '{"b":1,"a":2}'
    function = v1.FunctionTool(name="f", description="d", parameters_json_schema=schema, strict=True)
    assert list(request.tools) == [v1.Tool(function=function)]


AUTO, NONE, REQUIRED = v1.ToolChoice.MODE_AUTO, v1.ToolChoice.MODE_NONE, v1.ToolChoice.MODE_REQUIRED
NAMED = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("choice", "mode", "allowed"),
    [
        ("auto", AUTO, []),
        ("none", NONE, []),
        ("required", REQUIRED, []),
        (NAMED, REQUIRED, ["f"]),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}}, AUTO, ["f"]),
    ],
)
def test_every_form_of_a_tool_choice_is_decoded(choice: Any, mode: Any, allowed: list[str]) -> None:
    request = chat(tools=[TOOL], tool_choice=choice, parallel_tool_calls=False).request

    assert request.tool_choice == v1.ToolChoice(mode=mode, allowed_functions=allowed, parallel=False)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]},
            "tools[0].function.parameters",
        ),
        ({"tool_choice": "some"}, "tool_choice"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"tool_choice": {"type": "custom", "custom": {"name": "f"}}}, "tool_choice.type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
            "tool_choice.allowed_tools.tools",
        ),
    ],
)
def test_tools_that_cannot_be_called_are_refused(parameters: dict[str, Any], param: str) -> None:
    assert refusal(chat, **parameters)[0] == param
