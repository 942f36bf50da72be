"""Requests for responses are decoded, as OpenAI's clients in Python and Node write them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.openai.responses.dialect import ResponsesDialect
from dragoman_service.dialects.openai.responses.notes import Note, decode_note
from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.errors import CompletionError
from dragoman_service.validation import check_request

HI = {"model": "m", "input": "Hi"}
PNG = "data:image/png;base64,iVBORw0KGgo="
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{}", "status": "x"}


def decoded(**body: Any) -> ResponsesRequest:
    found = ResponsesDialect().decode_request(orjson.dumps({**HI, **body}))
    check_request(found.request)
    return found


def turns(*items: Any) -> list[v1.Message]:
    return list(decoded(input=list(items)).request.messages)


def refused(**body: Any) -> tuple[str, str]:
    with pytest.raises(CompletionError) as caught:
        decoded(**body)

    assert caught.value.reason == v1.ERROR_REASON_INVALID_FIELD
    return caught.value.metadata["param"], caught.value.message


def left_out(**body: Any) -> list[str]:
    with pytest.raises(CompletionError):
        ResponsesDialect(reject=True).decode_request(orjson.dumps({**HI, **body}))
    return [warning.field for warning in decoded(**body).warnings]


def test_a_text_is_a_message_of_the_user_and_instructions_come_before_it() -> None:
    found = decoded(instructions="Be brief.")

    assert [(message.role, message.parts[0].text) for message in found.request.messages] == [
        (v1.ROLE_SYSTEM, "Be brief."),
        (v1.ROLE_USER, "Hi"),
    ]
    assert found.note == Note(instructions=True)
    assert found.store
    assert not found.warnings


def test_parameters_are_fields() -> None:
    found = decoded(
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.25,
        top_logprobs=2,
        seed=7,
        tools=[WEATHER],
        tool_choice={"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]},
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}},
        reasoning={"effort": "max", "summary": "auto"},
        metadata={"team": "a"},
        user="u",
        store=False,
        stream=True,
    )
    request, config = found.request, found.request.generation_config

    assert (config.max_output_tokens, config.temperature, config.top_p, config.seed) == (9, 0.5, 0.25, 7)
    assert (config.include_logprobs, config.top_logprobs) == (True, 2)
    assert request.tools[0].function.name == "weather"
    assert request.tools[0].function.strict
    assert (request.tool_choice.mode, list(request.tool_choice.allowed_functions)) == (3, ["weather"])
    assert not request.tool_choice.parallel
    assert request.tool_choice.HasField("parallel")
    assert (config.response_format.json_schema.name, config.response_format.json_schema.schema_json) == (
        "n",
        '{"type":"object"}',
    )
    assert config.reasoning.effort == v1.REASONING_EFFORT_MAX
    assert config.reasoning.visibility == v1.REASONING_VISIBILITY_VISIBLE
    assert (dict(request.labels), request.end_user) == ({"team": "a"}, "u")
    assert (found.stream, found.store) == (True, False)


def test_what_asks_for_what_happens_anyway_is_taken() -> None:
    found = decoded(
        truncation="disabled",
        include=["reasoning.encrypted_content", "message.output_text.logprobs"],
        service_tier="auto",
        background_options={"completion_window": "soonest"},
        stream_options={"include_obfuscation": False},
        text={"format": {"type": "text"}, "verbosity": "medium"},
        context_management=[],
        conversation=None,
        tools=[],
        n=1,
    )

    assert not found.warnings
    assert not found.request.extensions
    assert found.request.generation_config.include_logprobs


def test_keys_of_upstreams_are_passed_on() -> None:
    found = decoded(text={"verbosity": "low"}, prompt_cache_key="k", service_tier="flex", some_vendors_key=[1])

    assert dict(found.request.extensions) == {
        "verbosity": '"low"',
        "prompt_cache_key": '"k"',
        "service_tier": '"flex"',
        "some_vendors_key": "[1]",
    }


def test_what_no_answer_depends_on_is_left_out() -> None:
    assert left_out(max_tool_calls=3) == ["max_tool_calls"]
    assert left_out(prompt_cache_options={"ttl": "30m"}) == ["prompt_cache_options"]
    assert left_out(include=["file_search_call.results"]) == ["include[0]"]
    assert left_out(reasoning={"context": "auto"}) == ["reasoning.context"]
    assert left_out(background_options={"completion_window": "8h"}) == ["background_options.completion_window"]
    assert left_out(input=[{"type": "web_search_call", "id": "ws_1"}, {"role": "user", "content": "Hi"}]) == [
        "input[0].type"
    ]
    foreign = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAABo"}
    assert left_out(input=[foreign, {"role": "user", "content": "Hi"}]) == ["input[0].encrypted_content"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "custom", "name": "x"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"truncation": "auto"}, "truncation"),
        ({"moderation": {"model": "m"}}, "moderation"),
        ({"background": True, "store": False}, "background"),
        ({"n": 2}, "n"),
        ({"input": None}, "input"),
        ({"input": 3}, "input"),
        ({"input": [{"type": "mcp_approval_response"}]}, "input[0].type"),
        ({"input": [{"role": "robot", "content": "Hi"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}, "input[0].name"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_its_name(body: dict[str, Any], param: str) -> None:
    named, message = refused(**body)

    assert named == param
    assert param in message


def test_an_answer_comes_back_as_one_turn_with_its_results() -> None:
    found = turns(
        {"role": "user", "content": "Is it cold?"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look it up."}]},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Let me see.", "annotations": [], "logprobs": []}],
        },
        CALL,
        {**CALL, "call_id": "call_2"},
        {"type": "function_call_output", "call_id": "call_1", "output": "snow"},
        {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "ice"}]},
        {"role": "assistant", "content": "Yes."},
        {"role": "assistant", "content": "Very."},
        {"role": "user", "content": "Thanks"},
    )

    assert [v1.Role.Name(message.role).removeprefix("ROLE_") for message in found] == [
        *("USER", "ASSISTANT", "TOOL", "TOOL", "ASSISTANT", "ASSISTANT", "USER")
    ]
    assert [part.WhichOneof("content") for part in found[1].parts] == ["reasoning", "text", "tool_call", "tool_call"]
    assert not any(part.extensions for part in found[1].parts)
    call = found[1].parts[2].tool_call
    assert (call.id, call.name, call.arguments_json, dict(call.extensions)) == ("call_1", "weather", "{}", {})
    assert [message.parts[0].tool_result.text for message in found[2:4]] == ["snow", "ice"]


def test_images_files_and_recordings_are_bytes_or_references() -> None:
    [message] = turns(
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "See"},
                {"type": "input_image", "image_url": PNG, "detail": "auto"},
                {"type": "input_image", "image_url": "https://a.example/b.png"},
                {"type": "input_image", "file_id": "file-1"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
                {"type": "input_file", "filename": "a.pdf", "file_data": "JVBERg=="},
                {"type": "input_file", "file_url": "https://a.example/c.pdf"},
                {"type": "input_file", "file_id": "file-2"},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            ],
        }
    )
    parts = message.parts

    assert (parts[1].blob.media_type, parts[1].blob.data[:4]) == ("image/png", b"\x89PNG")
    assert (parts[2].file.uri, parts[2].file.media_type) == ("https://a.example/b.png", "image/png")
    assert (parts[3].file.id, parts[7].file.id) == ("file-1", "file-2")
    assert parts[4].blob == parts[5].blob == v1.Blob(media_type="application/pdf", data=b"%PDF", name="a.pdf")
    assert parts[6].file.uri == "https://a.example/c.pdf"
    assert parts[8].blob.media_type == "audio/wav"


def test_results_may_hold_images() -> None:
    seen = {"type": "input_image", "image_url": PNG}
    found = turns(CALL, {"type": "function_call_output", "call_id": "call_1", "output": [seen]})

    assert [part.WhichOneof("content") for part in found[1].parts] == ["tool_result", "blob"]


def test_references_are_named_until_their_items_are_given() -> None:
    dialect = ResponsesDialect()
    body = orjson.dumps({**HI, "input": [{"type": "item_reference", "id": "fc_1"}, {"id": "fc_2"}]})
    unresolved = dialect.decode_request(body)
    resolved = dialect.decode_with(body, {"fc_1": CALL, "fc_2": {**CALL, "call_id": "call_2"}})

    assert unresolved.references == ["fc_1", "fc_2"]
    assert not resolved.references
    assert [part.tool_call.id for part in resolved.request.messages[0].parts] == ["call_1", "call_2"]


def test_a_note_says_how_a_response_was_asked_for() -> None:
    note = decoded(previous_response_id="resp_1", background=True, instructions="Be brief.").note

    assert decode_note(note.encode()) == note == Note(instructions=True, previous="resp_1", background=True)
    assert decode_note("") == decode_note("[1]") == decode_note('{"api": "other"}') == Note(background=True)


def test_half_a_character_is_malformed() -> None:
    with pytest.raises(CompletionError) as caught:
        ResponsesDialect().decode_request(b'{"model": "m", "input": "\\ud800"}')

    assert caught.value.reason == v1.ERROR_REASON_MALFORMED_REQUEST
