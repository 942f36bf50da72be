"""What xAI's requests mean, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from dragoman import v1
from dragoman.dialect.xai import v1 as x
from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.xai.server.dialect import XaiServerDialect
from dragoman_service.dialects.xai.server.states import encode_states
from dragoman_service.errors import CompletionError
from google.protobuf import json_format

USER = {"role": "ROLE_USER", "content": [{"text": "Hi"}]}


def decoded(*messages: dict[str, Any], **fields: Any) -> DecodedRequest:
    body = {"model": "m", "messages": messages or [USER], **fields}
    wire: x.GetCompletionsRequest = json_format.ParseDict(body, x.GetCompletionsRequest())
    return XaiServerDialect().decode_request(wire)


def refused(*messages: dict[str, Any], **fields: Any) -> str:
    with pytest.raises(CompletionError) as caught:
        decoded(*messages, **fields)
    assert caught.value.reason == v1.ERROR_REASON_INVALID_FIELD
    return caught.value.fields[0].field


def content(**part: Any) -> dict[str, Any]:
    return {"role": "ROLE_USER", "content": [part]}


def left_out(request: DecodedRequest) -> list[str]:
    return [warning.field for warning in request.warnings]


def test_sampling_fields_keep_the_decimals_that_were_meant():
    config = decoded(temperature=0.7, top_p=0.1, presence_penalty=-0.3, frequency_penalty=1.1).request.generation_config

    assert (config.temperature, config.top_p) == (0.7, 0.1)
    assert (config.presence_penalty, config.frequency_penalty) == (-0.3, 1.1)


def test_one_answer_is_no_wish_of_its_own():
    assert not decoded(n=1).request.generation_config.HasField("choice_count")
    assert decoded(n=3).request.generation_config.choice_count == 3


def test_images_are_bytes_addresses_or_ids():
    inline = decoded(content(image_url={"image_url": "data:image/png;base64,iVBORw=="})).request
    linked = decoded(content(image_url={"image_url": "https://a.example/b.jpg", "detail": "DETAIL_HIGH"}))
    stored = decoded(content(image_url={"file_id": "file-1"})).request

    assert inline.messages[0].parts[0].blob == v1.Blob(media_type="image/png", data=b"\x89PNG")
    assert linked.request.messages[0].parts[0].file == v1.File(uri="https://a.example/b.jpg", media_type="image/jpeg")
    assert left_out(linked) == ["messages[0].content[0].image_url.detail"]
    assert stored.messages[0].parts[0].file.id == "file-1"


def test_documents_are_bytes_addresses_or_ids():
    inline = decoded(content(file={"data": "JVBERg==", "filename": "a.pdf"})).request
    linked = decoded(content(file={"url": "https://a.example/a", "mime_type": "text/plain"})).request
    stored = decoded(content(file={"file_id": "file-1"})).request

    assert inline.messages[0].parts[0].blob == v1.Blob(media_type="application/pdf", data=b"%PDF", name="a.pdf")
    assert linked.messages[0].parts[0].file == v1.File(uri="https://a.example/a", media_type="text/plain")
    assert stored.messages[0].parts[0].file.id == "file-1"


def test_results_without_an_id_answer_the_calls_in_order():
    calls = [{"id": f"c{n}", "function": {"name": "look", "arguments": "{}"}} for n in (1, 2)]
    said = {"role": "ROLE_ASSISTANT", "content": [{"text": ""}], "tool_calls": calls}
    results = [{"role": "ROLE_TOOL", "content": [{"text": text}]} for text in ("one", "two")]
    request = decoded(USER, said, *results).request

    assert [part.WhichOneof("content") for part in request.messages[1].parts] == ["tool_call", "tool_call"]
    told = [message.parts[0].tool_result for message in request.messages[2:]]
    assert [(result.tool_call_id, result.name, result.text) for result in told] == [
        ("c1", "look", "one"),
        ("c2", "look", "two"),
    ]


def test_the_states_of_a_turn_come_back_to_their_parts():
    parts = [
        v1.Part(reasoning=v1.Reasoning(text="Hm"), state=b"a"),
        v1.Part(text="I "),
        v1.Part(text="look.", state=b"\x00"),
        v1.Part(tool_call=v1.ToolCall(id="c1", name="look", arguments_json="{}"), state=b"b"),
    ]
    said = {
        "role": "ROLE_ASSISTANT",
        "reasoning_content": "Hm",
        "content": [{"text": "I look."}],
        "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": "{}"}}],
        "encrypted_content": encode_states(parts),
    }
    changed = decoded(USER, {**said, "content": [{"text": "I listen."}]})

    assert list(decoded(USER, said).request.messages[1].parts) == parts
    assert left_out(changed) == ["messages[1].encrypted_content"]
    assert not any(part.state for part in changed.request.messages[1].parts)


@pytest.mark.parametrize("foreign", ["x", "dgm1.", "dgm1.AAAA", "dgm1.W1sxXV0=", "dgm1.bnVsbA=="])
def test_state_that_is_not_ours_is_left_out(foreign):
    said = {"role": "ROLE_ASSISTANT", "content": [{"text": "Yes"}], "encrypted_content": foreign}
    request = decoded(USER, said)

    assert left_out(request) == ["messages[1].encrypted_content"]
    assert list(request.request.messages[1].parts) == [v1.Part(text="Yes")]


def test_efforts_formats_and_choices_are_read():
    tools = [{"function": {"name": "look", "description": "Looks", "strict": True, "parameters": "{}"}}]
    request = decoded(
        tools=tools,
        tool_choice={"function_name": "look"},
        parallel_tool_calls=False,
        reasoning_effort="EFFORT_XHIGH",
        response_format={"format_type": "FORMAT_TYPE_JSON_SCHEMA", "schema": "{}"},
        safety_identifier="someone",
    ).request
    config = request.generation_config

    assert config.reasoning.effort == v1.REASONING_EFFORT_XHIGH
    assert config.response_format.json_schema.schema_json == "{}"
    assert request.tools[0].function.strict
    assert list(request.tool_choice.allowed_functions) == ["look"]
    assert request.tool_choice.mode == v1.ToolChoice.MODE_REQUIRED
    assert request.tool_choice.HasField("parallel")
    assert request.end_user == "someone"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "INVALID_ROLE"}, "messages[0].role"),
        (content(), "messages[0].content[0]"),
        (content(file={}), "messages[0].content[0].file"),
        (content(file={"file_id": "f", "url": "u"}), "messages[0].content[0].file"),
        (content(image_url={"image_url": "data:,x"}), "messages[0].content[0].image_url.image_url"),
        ({"role": "ROLE_TOOL", "content": [{"text": "x"}]}, "messages[0].tool_call_id"),
        ({**USER, "tool_calls": [{"id": "a"}]}, "messages[0].tool_calls"),
        ({**USER, "encrypted_content": "x"}, "messages[0].encrypted_content"),
        (
            {"role": "ROLE_ASSISTANT", "tool_calls": [{"type": "TOOL_CALL_TYPE_MCP_TOOL", "function": {}}]},
            "messages[0].tool_calls[0]",
        ),
    ],
)
def test_a_turn_that_makes_no_sense_is_refused(message, field):
    assert refused(message) == field


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("guidelines", [{}], "guidelines"),
        ("agent_count", "AGENT_COUNT_4", "agent_count"),
        ("previous_response_id", "r", "previous_response_id"),
        ("search_parameters", {"mode": "AUTO_SEARCH_MODE"}, "search_parameters"),
        ("tools", [{"code_execution": {}}], "tools[0].code_execution"),
        ("tools", [{}], "tools[0]"),
        ("response_format", {"format_type": "FORMAT_TYPE_JSON_SCHEMA"}, "response_format.schema"),
        ("reasoning_effort", 77, "reasoning_effort"),
    ],
)
def test_what_would_change_the_answer_is_refused(field, value, named):
    assert refused(**{field: value}) == named


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("store_messages", True),
        ("max_turns", 2),
        ("include", ["INCLUDE_OPTION_INLINE_CITATIONS"]),
        ("service_tier", "SERVICE_TIER_PRIORITY"),
    ],
)
def test_what_changes_no_answer_is_left_out_with_a_warning(field, value):
    assert left_out(decoded(**{field: value})) == [field]


def test_search_that_is_off_is_no_search():
    assert not decoded(search_parameters={"mode": "OFF_SEARCH_MODE"}, use_encrypted_content=True).warnings
