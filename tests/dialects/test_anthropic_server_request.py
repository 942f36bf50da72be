"""Requests of Anthropic's programs are decoded, as the clients in Python and Node write them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.anthropic.server.dialect import MessagesDialect
from dragoman_service.dialects.anthropic.server.request import MessagesRequest, decode_request
from dragoman_service.errors import CompletionError
from dragoman_service.validation import check_request

HI = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}
HIDDEN, VISIBLE = v1.REASONING_VISIBILITY_HIDDEN, v1.REASONING_VISIBILITY_VISIBLE
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
MARK = {"cache_control": {"type": "ephemeral"}}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def decoded(**body: Any) -> MessagesRequest:
    found = decode_request(orjson.dumps({**HI, **body}))
    check_request(found.request)
    return found


def turns(*messages: Any) -> list[v1.Message]:
    return list(decoded(messages=list(messages)).request.messages)


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def refused(**body: Any) -> str:
    with pytest.raises(CompletionError) as caught:
        decoded(**body)

    assert caught.value.reason == v1.ERROR_REASON_INVALID_FIELD
    return caught.value.message


def left_out(**body: Any) -> set[str]:
    with pytest.raises(CompletionError):
        MessagesDialect(reject=True).decode_request(orjson.dumps({**HI, **body}))
    return {warning.field for warning in decoded(**body).warnings}


def test_a_conversation_is_decoded_with_instructions_at_its_start_and_in_the_middle() -> None:
    request = decoded(
        system=[{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}],
        messages=[
            {"role": "user", "content": "One."},
            assistant({"type": "thinking", "thinking": "Hm", "signature": ""}, {"type": "text", "text": "Two."}),
            {"role": "system", "content": "Now shout."},
            user({"type": "text", "text": "Three."}),
        ],
        metadata={"user_id": "u-1"},
    ).request

    assert [
        (message.role, [part.text or part.reasoning.text for part in message.parts]) for message in request.messages
    ] == [
        (v1.ROLE_SYSTEM, ["Be brief.", "Be kind."]),
        (v1.ROLE_USER, ["One."]),
        (v1.ROLE_ASSISTANT, ["Hm", "Two."]),
        (v1.ROLE_SYSTEM, ["Now shout."]),
        (v1.ROLE_USER, ["Three."]),
    ]
    assert (request.model, request.end_user) == ("m", "u-1")


def test_sampling_limits_and_stop_sequences_are_those_of_either_version() -> None:
    config = decoded(temperature=0.5, top_p=0.25, top_k=4, stop_sequences=["END"]).request.generation_config

    assert (config.temperature, config.top_p, config.top_k, config.max_output_tokens) == (0.5, 0.25, 4, 64)
    assert list(config.stop_sequences) == ["END"]


@pytest.mark.parametrize(
    ("given", "expected", "shown"),
    [
        ({}, v1.ReasoningConfig(), False),
        ({"thinking": {"type": "disabled"}}, v1.ReasoningConfig(effort=v1.REASONING_EFFORT_NONE), False),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, v1.ReasoningConfig(budget_tokens=2000), True),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}},
            v1.ReasoningConfig(budget_tokens=2000, visibility=HIDDEN),
            True,
        ),
        ({"thinking": {"type": "adaptive"}}, v1.ReasoningConfig(visibility=VISIBLE), True),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}},
            v1.ReasoningConfig(effort=v1.REASONING_EFFORT_MAX, visibility=HIDDEN),
            True,
        ),
        ({"output_config": {"effort": "xhigh"}}, v1.ReasoningConfig(effort=v1.REASONING_EFFORT_XHIGH), False),
    ],
)
def test_thinking_and_effort_say_how_much_and_what_is_shown(given: Any, expected: Any, shown: bool) -> None:
    found = decoded(**given)

    assert found.request.generation_config.reasoning == expected
    assert found.thinking is shown


def test_a_schema_is_the_format_of_the_answer() -> None:
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}}}
    form = decoded(output_config={"format": {"type": "json_schema", "schema": schema}}).request.generation_config

    assert form.response_format.json_schema.schema_json == orjson.dumps(schema).decode()


def test_tools_and_the_choice_among_them() -> None:
    tool = {"name": "weather", "description": "Tells it.", "input_schema": {"type": "object"}, "strict": True, **MARK}
    found = decoded(tools=[tool, {"type": "custom", "name": "time", "input_schema": {}}], tool_choice={"type": "auto"})
    (first, second), choice = found.request.tools, found.request.tool_choice

    assert first.function == v1.FunctionTool(
        name="weather", description="Tells it.", parameters_json_schema='{"type":"object"}', strict=True
    )
    assert (first.HasField("cache_hint"), second.HasField("cache_hint")) == (True, False)
    assert choice == v1.ToolChoice(mode=v1.ToolChoice.MODE_AUTO)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "any"}, v1.ToolChoice(mode=v1.ToolChoice.MODE_REQUIRED)),
        ({"type": "none"}, v1.ToolChoice(mode=v1.ToolChoice.MODE_NONE)),
        (
            {"type": "tool", "name": "t", "disable_parallel_tool_use": True},
            v1.ToolChoice(mode=v1.ToolChoice.MODE_REQUIRED, allowed_functions=["t"], parallel=False),
        ),
    ],
)
def test_choices_of_tools(given: Any, expected: v1.ToolChoice) -> None:
    assert decoded(tools=[{"name": "t", "input_schema": {}}], tool_choice=given).request.tool_choice == expected


def test_results_answer_their_calls_with_images_and_failures() -> None:
    _, call, result, after = turns(
        {"role": "user", "content": "Weather?"},
        assistant({"type": "text", "text": "Let me look."}, CALL, {**CALL, "id": "toolu_2"}),
        user(
            {
                "type": "tool_result",
                "tool_use_id": "toolu_1",
                "content": [{"type": "text", "text": "Snow"}, {"type": "image", "source": PNG}],
            },
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "No such city", "is_error": True},
            {"type": "text", "text": "So?"},
        ),
    )

    assert call.parts[1].tool_call == v1.ToolCall(id="toolu_1", name="weather", arguments_json='{"city":"Oslo"}')
    assert [part.WhichOneof("content") for part in result.parts] == ["tool_result", "blob", "tool_result"]
    assert result.role == v1.ROLE_TOOL
    assert result.parts[0].tool_result == v1.ToolResult(tool_call_id="toolu_1", name="weather", text="Snow")
    assert result.parts[2].tool_result.is_error
    assert (after.role, after.parts[0].text) == (v1.ROLE_USER, "So?")


def test_images_and_documents_come_as_bytes_addresses_ids_and_text() -> None:
    (turn,) = turns(
        user(
            {"type": "image", "source": PNG},
            {"type": "image", "source": {"type": "url", "url": "https://i.example/a.jpg"}},
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
            {"type": "document", "title": "T", "source": {"type": "url", "url": "https://i.example/a"}},
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "Words"}},
            {"type": "search_result", "title": "S", "source": "src", "content": [{"type": "text", "text": "found"}]},
        )
    )
    image, linked, stored, document, text, found = turn.parts

    assert (image.blob.media_type, image.blob.data[:4]) == ("image/png", b"\x89PNG")
    assert linked.file == v1.File(uri="https://i.example/a.jpg", media_type="image/jpeg")
    assert stored.file.id == "file_1"
    assert document.file == v1.File(uri="https://i.example/a", media_type="application/pdf", name="T")
    assert (text.text, found.text) == ("T\nWords", "S\nsrc\nfound")


def test_marks_of_caches_are_hints_and_one_on_the_request_is_on_its_last_part() -> None:
    found = decoded(
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        messages=[user({"type": "text", "text": "a", **MARK}, {"type": "text", "text": "b"})],
        **MARK,
    ).request.messages

    assert found[0].parts[0].cache_hint.ttl.seconds == 3600
    assert [part.HasField("cache_hint") for part in found[1].parts] == [True, True]
    assert not found[1].parts[1].cache_hint.HasField("ttl")


def test_state_comes_back_where_it_was() -> None:
    _, turn, _ = turns(
        {"role": "user", "content": "?"},
        assistant(
            {"type": "redacted_thinking", "data": "cg=="},
            {"type": "thinking", "thinking": "Hm", "signature": "dA=="},
            {"type": "text", "text": "Yes"},
            {"type": "redacted_thinking", "data": "after.YQ=="},
            {"type": "redacted_thinking", "data": "before.Yg=="},
            {"type": "redacted_thinking", "data": "not base64 at all"},
        ),
        {"role": "user", "content": "!"},
    )

    assert [(part.WhichOneof("content"), part.state) for part in turn.parts] == [
        ("reasoning", b"r"),
        ("reasoning", b"t"),
        ("reasoning", b"b"),
        ("text", b"a"),
    ]


def test_what_no_answer_depends_on_is_left_out_with_a_warning() -> None:
    assert left_out(new_knob=1, speed="fast", context_management={"edits": [{}]}) == {
        "new_knob",
        "speed",
        "context_management",
    }
    assert not decoded(service_tier="auto", inference_geo="global", container=None, stop_sequences=None).warnings


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"thread": {"type": "create"}}, "thread"),
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{"url": "u"}]}, "mcp_servers"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [user({"type": "server_tool_use"})]}, "messages[0].content[0].type"),
        ({"messages": [user({"type": "tool_result", "tool_use_id": "x"})]}, "messages[0].content[0].tool_use_id"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "minimal"}}, "output_config.effort"),
        ({"cache_control": {"type": "forever"}}, "cache_control.type"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_its_name(body: Any, name: str) -> None:
    assert refused(**body).startswith(f"{name}: ")
