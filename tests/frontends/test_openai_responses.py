"""Responses over HTTP: complete, streamed, as conversations, and refused."""

from __future__ import annotations

import pytest
from http_asking import post
from raw_http import asked
from responses_asking import PATH, body, create, events, read, show, streamed, text_of, types

TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}}


async def test_a_response_is_complete_and_can_be_read_again(start_service):
    service = await start_service()
    status, response = await create(service, body(instructions="Be nice.", metadata={"team": "a"}))
    _, again = await show(service, response["id"])

    assert (status, response["status"], text_of(response)) == (200, "completed", "one two three")
    assert response["usage"]["total_tokens"] == response["usage"]["input_tokens"] + 3
    assert (response["instructions"], response["metadata"]) == ("Be nice.", {"team": "a"})
    assert again == response
    assert not response["background"]


async def test_a_response_that_is_not_stored_is_a_plain_call(start_service):
    service = await start_service()
    _, response = await create(service, body(store=False))
    status, missing = await show(service, response["id"])
    _, page = await post(service, {"name": "operations"}, "/google.longrunning.Operations/ListOperations")

    assert (text_of(response), response["store"]) == ("one two three", False)
    assert (status, missing["error"]["code"]) == (404, "operation_not_found")
    assert response["id"] in missing["error"]["message"]
    assert page == {}


@pytest.mark.parametrize("store", [True, False])
async def test_a_stream_has_the_same_answer(start_service, store):
    service = await start_service()
    stream = await streamed(service, body(script={"delay": "1ms"}, store=store))

    assert list(dict.fromkeys(types(stream))) == [
        *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    assert "".join(event["delta"] for event in stream if "delta" in event) == text_of(stream[-1]["response"])
    assert len({event["response"]["id"] for event in stream if "response" in event}) == 1
    if store:
        assert await events(service, stream[0]["response"]["id"]) == stream


async def test_a_conversation_goes_on_from_a_response_with_the_results_of_calls(start_service):
    service = await start_service()
    script = {"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}]}
    _, first = await create(service, body(script=script, tools=[TOOL]))
    call = first["output"][0]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "snow"}
    more = {"model": "echo", "input": [result], "tools": [TOOL], "previous_response_id": first["id"]}
    _, second = await create(service, more)
    _, items = await show(service, second["id"], "/input_items?order=asc")

    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "weather", '{"city": "Oslo"}')
    assert (text_of(second), second["previous_response_id"]) == ("snow", first["id"])
    assert [item["type"] for item in items["data"]] == ["message", "message", "function_call", "function_call_output"]


async def test_instructions_are_those_of_the_last_request_alone(start_service):
    service = await start_service()
    scripted = 'echo: {"text": "scripted"}'
    _, first = await create(service, body("Hi", instructions=scripted))
    _, second = await create(service, {"model": "echo", "input": "Bye", "previous_response_id": first["id"]})
    _, items = await show(service, second["id"], "/input_items")

    assert (text_of(first), text_of(second)) == ("scripted", "Bye")
    assert [item["content"][0]["text"] for item in items["data"]] == ["Bye", "scripted", "Hi"]


async def test_items_of_stored_responses_can_be_referred_to(start_service):
    service = await start_service()
    _, first = await create(service, body())
    _, items = await show(service, first["id"], "/input_items")
    references = [{"type": "item_reference", "id": item["id"]} for item in (items["data"][0], first["output"][0])]
    sent = {"model": "echo", "input": [*references, {"role": "user", "content": "more"}]}
    _, second = await create(service, sent)
    _, listed = await show(service, second["id"], "/input_items?order=asc")
    status, missing = await create(service, {"model": "echo", "input": [{"type": "item_reference", "id": "msg_1_0"}]})

    assert [item["content"][0]["text"] for item in listed["data"]] == ["one two three", "one two three", "more"]
    assert (status, missing["error"]["code"], missing["error"]["param"]) == (400, "item_not_found", "input")


async def test_what_is_left_out_is_named_in_a_header(start_service):
    service = await start_service()
    answer, _ = await post(service, body(max_tool_calls=3, reasoning={"effort": "low"}), PATH)

    assert "max_tool_calls: " in answer.headers["x-dragoman-warning"]


async def test_a_service_that_leaves_nothing_out_refuses_it(start_service):
    service = await start_service(frontends={"openai": {"unsupported": "reject"}})
    status, reply = await create(service, body(max_tool_calls=3))

    assert (status, reply["error"]["param"]) == (400, "max_tool_calls")


@pytest.mark.parametrize(
    ("sent", "status", "code", "param"),
    [
        ({"model": "no-such"}, 404, "model_not_found", "model"),
        ({"previous_response_id": "resp_none"}, 400, "previous_response_not_found", "previous_response_id"),
        ({"truncation": "auto"}, 400, "unsupported_parameter", "truncation"),
        ({"input": []}, 400, "invalid_value", "input"),
        ({"max_output_tokens": 0}, 400, "invalid_value", "max_output_tokens"),
        ({"temperature": 9}, 400, "invalid_value", "temperature"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_refusals_have_a_status_and_name_the_parameter(start_service, sent, status, code, param, stream):
    service = await start_service()
    told, reply = await create(service, {**body(), **sent, "stream": stream})

    assert (told, reply["error"]["code"], reply["error"]["param"]) == (status, code, param)
    assert reply["error"]["request_id"]


@pytest.mark.parametrize("store", [True, False])
async def test_a_failure_in_mid_stream_is_told_twice_and_breaks_the_connection(start_service, store):
    service = await start_service()
    sent = body(script={"fail_after": 2, "delay": "1ms"}, stream=True, store=store)
    async with asked(service.http_address, "POST", PATH, sent) as answer:
        wire = await answer.rest()
    failed, error = read(wire)[-2:]

    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert (error["type"], error["error"]["code"]) == ("error", "provider_unavailable")
    assert not wire.endswith(b"0\r\n\r\n")


async def test_tokens_of_the_input_are_counted_with_its_conversation(start_service):
    service = await start_service()
    _, first = await create(service, body())
    _, alone = await post(service, {"model": "echo", "input": "a b"}, f"{PATH}/input_tokens")
    more = {"model": "echo", "input": "a b", "previous_response_id": first["id"]}
    _, after = await post(service, more, f"{PATH}/input_tokens")

    assert alone == {"object": "response.input_tokens", "input_tokens": 2}
    assert after["input_tokens"] == 8


async def test_repeated_requests_with_a_key_are_answered_once(start_service):
    service = await start_service()
    answers = [await create(service, body(), Idempotency_Key="k-1") for _ in range(2)]

    assert answers[0] == answers[1]
    assert service.opened.providers["echo"].started == 1
