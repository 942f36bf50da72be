"""Anthropic's API over HTTP: messages complete and streamed, tokens, models, keys, and what tells calls apart."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from http_asking import get, post
from raw_http import asked

MESSAGES = "/v1/messages"
COUNT = f"{MESSAGES}/count_tokens"
VERSION = {"anthropic-version": "2026-10-21"}
KEY = hashlib.sha256(b"secret-key").hexdigest()


@pytest.fixture
async def service(start_service: Any) -> Any:
    return await start_service()


def body(text: str = "one two three", script: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    system = {} if script is None else {"system": f"echo: {json.dumps(script)}"}
    return {"model": "echo", "max_tokens": 64, "messages": [{"role": "user", "content": text}], **system, **more}


def text_of(events: list[Any]) -> str:
    return "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")


async def streamed(service: Any, asking: Any) -> list[Any]:
    async with asked(service.http_address, "POST", MESSAGES, {**asking, "stream": True}) as answer:
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
        assert answer.headers["request-id"] == answer.headers["x-request-id"]
        return [json.loads(event.split("data: ")[1]) for event in (await answer.whole()).decode().split("\n\n")[:-1]]


async def test_a_message_is_the_same_complete_and_streamed(service: Any) -> None:
    for path in (MESSAGES, "/v1/v1/messages", "//v1/messages"):
        answer, whole = await post(service, body(), path, **VERSION)

        assert (answer.status, whole["content"]) == (200, [{"type": "text", "text": "one two three"}])
        assert answer.headers["request-id"] == answer.headers["x-request-id"]
    events = await streamed(service, body())

    assert text_of(events) == "one two three"
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    assert events[-2]["usage"] == whole["usage"]
    assert events[-2]["delta"]["stop_reason"] == whole["stop_reason"] == "end_turn"


async def test_thinking_is_shown_to_those_who_ask_for_it(service: Any) -> None:
    script = {"text": "Yes", "reasoning": "Hm", "reasoning_state": "s"}
    _, plain = await post(service, body(script=script), MESSAGES)
    _, thinking = await post(
        service, body(script=script, thinking={"type": "enabled", "budget_tokens": 2000}), MESSAGES
    )
    omitted = {"type": "adaptive", "display": "omitted"}
    _, silent = await post(service, body(script=script, thinking=omitted), MESSAGES)

    assert [block["type"] for block in plain["content"]] == ["text", "redacted_thinking"]
    assert thinking["content"][0] == {"type": "thinking", "thinking": "Hm", "signature": "cw=="}
    assert silent["content"][0] == {"type": "thinking", "thinking": "", "signature": "cw=="}


async def test_tools_are_called_and_their_results_answered(service: Any) -> None:
    tools = [{"name": "weather", "input_schema": {"type": "object"}}]
    script = {"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}], "text": "Snow."}
    _, called = await post(service, body(script=script, tools=tools), MESSAGES)
    *_, use = called["content"]
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "snow"}
    turns = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    _, told = await post(service, body(script=script, tools=tools) | {"messages": turns}, MESSAGES)

    assert (use["name"], use["input"], called["stop_reason"]) == ("weather", {"city": "Oslo"}, "tool_use")
    assert (told["content"], told["stop_reason"]) == ([{"type": "text", "text": "Snow."}], "end_turn")


async def test_usage_tells_what_a_cache_read_and_wrote(service: Any) -> None:
    text = "one two three four five six seven eight nine ten"
    script = {"cached_input_tokens": 3, "cache_write_tokens": 2, "text": "x"}
    _, whole = await post(service, body(text, script), MESSAGES)
    _, counted = await post(service, body(text, script), COUNT)
    usage = whole["usage"]

    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (3, 2)
    assert usage["input_tokens"] + 5 == counted["input_tokens"]


async def test_a_refusal_is_in_the_vendors_form_and_the_callers_terms(service: Any) -> None:
    answer, problem = await post(service, body(top_k=5000), MESSAGES)
    missing, unknown = await post(service, body(model="none", stream=True), MESSAGES)
    threaded, thread = await post(service, body(thread={"type": "create"}), MESSAGES)

    assert (answer.status, problem["error"]["type"]) == (400, "invalid_request_error")
    assert problem["error"]["message"].startswith("top_k: ")
    assert problem["request_id"] == answer.headers["request-id"]
    assert (missing.status, unknown["error"]["type"]) == (404, "not_found_error")
    assert (threaded.status, thread["error"]["details"]["error_code"]) == (400, "thread_unsupported_request")


async def test_a_failing_stream_ends_in_an_error_event_and_a_broken_connection(service: Any) -> None:
    asking = body("one two three four five", {"fail_after": 3}, stream=True)
    pieces = []
    async with asked(service.http_address, "POST", MESSAGES, asking) as answer:
        with pytest.raises(asyncio.IncompleteReadError):
            while piece := await answer.piece():
                pieces.append(piece)
    last = b"".join(pieces).decode().split("\n\n")[-2]

    assert last.startswith("event: error\ndata: ")
    assert json.loads(last.split("data: ")[1])["error"]["type"] == "overloaded_error"


async def test_what_is_left_out_is_told_in_a_header(service: Any) -> None:
    answer, _ = await post(service, body(new_knob=1), MESSAGES)

    assert "new_knob" in answer.headers["x-dragoman-warning"]


async def test_a_start_of_the_answer_is_not_repeated(service: Any) -> None:
    turns = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "One"}]
    script = {"text": "One two"}
    _, whole = await post(service, body(script=script) | {"messages": turns}, MESSAGES)
    events = await streamed(service, body(script=script) | {"messages": turns})

    assert whole["content"] == [{"type": "text", "text": " two"}]
    assert text_of(events) == " two"


async def test_models_are_listed_in_pages_and_told_apart_by_a_header(start_service: Any) -> None:
    service = await start_service(models={name: {"targets": ["echo/echo"]} for name in ("b", "a")})
    paged, after = [], ""
    while True:
        _, page = await get(service, f"/v1/models?limit=1{after}", **VERSION)
        paged += [model["id"] for model in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after_id={page['last_id']}"
    _, before = await get(service, "/v1/models?limit=1&before_id=echo/echo", **VERSION)
    _, model = await get(service, "/v1/models/echo%2Fecho", **VERSION)
    _, others = await get(service, "/v1/models")
    wrong, _ = await get(service, "/v1/models?limit=0", **VERSION)
    missing, _ = await get(service, "/v1/models/none", **VERSION)

    assert paged == ["a", "b", "echo/echo"]
    assert ([each["id"] for each in before["data"]], before["has_more"]) == (["b"], True)
    assert (model["type"], model["id"], model["lifecycle"]) == ("model", "echo/echo", "active")
    assert others["object"] == "list"
    assert (wrong, missing) == (400, 404)


async def test_a_key_counts_in_either_header(start_service: Any) -> None:
    service = await start_service(access={"keys": [{"id": "a", "sha256": KEY}]})
    refused, problem = await post(service, body(), MESSAGES)
    for headers in ({"x_api_key": "secret-key"}, {"authorization": "Bearer secret-key"}):
        answer, _ = await post(service, body(), MESSAGES, **headers)

        assert answer.status == 200
    wrong, _ = await post(service, body(), MESSAGES, x_api_key="wrong")

    assert (refused.status, problem["error"]["type"]) == (401, "authentication_error")
    assert refused.headers["request-id"] == problem["request_id"]
    assert wrong.status == 401
