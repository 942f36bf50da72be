"""Programs for OpenAI are served as they are: what they send is honoured, passed on, or left out with a warning."""

from __future__ import annotations

import io
import json
from typing import Any

import grpc
import pytest
import structlog
from dragoman import v1
from dragoman_service.telemetry.log import configure
from http_asking import CHAT, LEGACY, chat, chunks, get, post
from openai_habits import HABITS, SIGNED, TOOL, USER, Habit
from raw_http import asked
from scripted_upstream import Upstream, upstream_of

VENDORS = sorted({habit.vendor or "" for habit in HABITS.values()})
WARNING = "x-dragoman-warning"
PIECE = {"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "finish_reason": None}


def chunk(choice: dict[str, Any]) -> bytes:
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + json.dumps(head | {"choices": [choice]}).encode() + b"\n\n"


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
ANSWER = (STREAM, chunk(PIECE), chunk({"index": 0, "delta": {}, "finish_reason": "stop"}), b"data: [DONE]\n\n")


async def serving(start_service: Any, upstream: Upstream, *vendors: str, **sections: Any) -> Any:
    """A service whose providers are rows of vendors: `openai/m` has that vendor, `plain/m` has none."""
    shared = {"plugin": "openai", "base_url": upstream.url, "models": ["m"]}
    providers = {vendor or "plain": shared | ({"vendor": vendor} if vendor else {}) for vendor in vendors}
    return await start_service({"echo": {}, **providers}, **sections)


def check(habit: Habit, upstream: Upstream, warning: str) -> None:
    received = upstream.requests[-1].body
    wire = json.dumps(received, ensure_ascii=False)
    for key, value in habit.there.items():
        assert received[key] == value, key
    assert not received.keys() & set(habit.missing)
    assert habit.text in wire
    assert not habit.not_text or habit.not_text not in wire
    for name in habit.warned:
        assert f"{name}: " in warning


@pytest.mark.parametrize("stream", [False, True], ids=["complete", "stream"])
@pytest.mark.parametrize("vendor", VENDORS)
async def test_habits_of_programs_are_served(start_service: Any, vendor: str, stream: bool) -> None:
    async with upstream_of(*ANSWER) as upstream:
        service = await serving(start_service, upstream, vendor)
        for name, habit in HABITS.items():
            if (habit.vendor or "") != vendor:
                continue
            body = {"model": f"{vendor or 'plain'}/m", "stream": stream, **habit.body}
            async with asked(service.http_address, "POST", CHAT, body) as answer:
                reply = await answer.whole()

                assert answer.status == 200, f"{name}: {reply!r}"
                check(habit, upstream, answer.headers.get(WARNING, ""))


async def test_a_name_and_an_unknown_key_are_left_out_for_a_provider_that_has_no_use_for_them(
    start_service: Any,
) -> None:
    service = await start_service()
    answer, reply = await post(service, chat(name="x", foo=1, messages=[{**USER, "name": "planner"}]))

    assert (answer.status, reply["choices"][0]["message"]["content"]) == (200, "Hi")
    assert "messages.name: " in answer.headers[WARNING]
    assert "foo: " in answer.headers[WARNING]


async def test_a_warning_is_a_short_header_of_plain_characters_and_is_in_the_log(start_service: Any) -> None:
    output = io.StringIO()
    writer = configure("info", "json", lambda: None, output)
    try:
        service = await start_service()
        answer, _ = await post(service, chat(store=True, **{f"kéy{n}\n": n for n in range(50)}))
    finally:
        writer.close()
        structlog.reset_defaults()
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    (done,) = [line for line in lines if line["event"] == "rpc.done"]

    assert answer.status == 200
    assert len(answer.headers[WARNING]) == 1000
    assert answer.headers[WARNING].isascii()
    assert answer.headers[WARNING].startswith("store: ")
    assert done["left_out"].startswith("store, ")


async def test_nothing_is_left_out_if_the_settings_say_so(start_service: Any) -> None:
    async with upstream_of(*ANSWER) as upstream:
        service = await serving(start_service, upstream, "", "openai", frontends={"openai": {"unsupported": "reject"}})
        for body, param in (
            ({"foo": 1}, "foo"),
            ({"store": True}, "store"),
            ({"top_k": 5}, "top_k"),
            ({"messages": [{**USER, "content": [{"type": "text", "text": "Hi", "x": 1}]}]}, "messages.x"),
        ):
            answer, reply = await post(service, {"model": "openai/m", "messages": [USER], **body})

            assert (answer.status, reply["error"]["param"]) == (400, param)
            assert reply["error"]["code"] == "unsupported_parameter"
        passed, _ = await post(service, {"model": "plain/m", "messages": [USER], "foo": 1, "prompt_cache_key": "k"})

    assert (passed.status, upstream.requests[-1].body["foo"]) == (200, 1)


async def test_native_requests_that_do_not_choose_follow_the_settings_of_their_frontend(start_service: Any) -> None:
    service = await start_service(frontends={"native": {"unsupported": "warn"}})
    request = v1.CompletionRequest(model="echo", generation_config=v1.GenerationConfig(presence_penalty=1))
    request.messages.add(role=v1.ROLE_USER).parts.add(text="one")
    strict = v1.CompletionRequest(unsupported_field_policy=v1.UNSUPPORTED_FIELD_POLICY_REJECT)
    strict.MergeFrom(request)
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        completion = await stub.CreateCompletion(request)
        with pytest.raises(grpc.aio.AioRpcError, match="does not support"):
            await stub.CreateCompletion(strict)

    assert [warning.field for warning in completion.warnings] == ["generation_config.presence_penalty"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1//chat/completions",
        "/v1/chat/completions/",
        "//v1/chat//completions//",
        "/chat/completions",
        "/v1/v1/chat/completions",
    ],
)
async def test_addresses_that_were_joined_naively_are_served(start_service: Any, path: str) -> None:
    service = await start_service()
    answer, reply = await post(service, chat("one"), path)

    assert (answer.status, reply["choices"][0]["message"]["content"]) == (200, "one")


@pytest.mark.parametrize("path", ["/completions", "/v1//completions/"])
async def test_so_are_those_of_legacy_completions(start_service: Any, path: str) -> None:
    service = await start_service()
    answer, _ = await post(service, {"model": "echo", "prompt": "one"}, path)

    assert answer.status == 200


async def test_models_are_found_under_such_addresses_too(start_service: Any) -> None:
    service = await start_service()
    lists = [await get(service, path) for path in ("/v1/models", "/models", "/v1/models/", "//v1//models")]
    models = [
        await get(service, path) for path in ("/v1/models/echo/echo", "/v1//models/echo/echo/", "/models/echo/echo")
    ]

    assert lists == [lists[0]] * 4
    assert models == [models[0]] * 3
    assert (lists[0][0], models[0][0]) == (200, 200)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/echo/echo", "/livez", "/readyz", "/metrics", "/models/"])
async def test_head_is_answered_wherever_get_is(start_service: Any, path: str) -> None:
    service = await start_service()
    async with asked(service.http_address, "HEAD", path) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("path", [CHAT, LEGACY])
async def test_a_body_may_begin_with_a_byte_order_mark(start_service: Any, path: str) -> None:
    service = await start_service()
    body = chat("one") if path == CHAT else {"model": "echo", "prompt": "one"}
    text = b"\xef\xbb\xbf" + json.dumps(body).encode()
    async with asked(service.http_address, "POST", path, text, {"content-type": "application/json"}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_a_signature_of_a_call_reaches_every_caller(start_service: Any, stream: bool) -> None:
    call = {**SIGNED, "index": 0}
    called = chunk({"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None})
    end = chunk({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    async with upstream_of(STREAM, called, end, b"data: [DONE]\n\n") as upstream:
        service = await serving(start_service, upstream, "")
        body = {"model": "plain/m", "messages": [USER], "tools": [TOOL], "stream": stream}
        async with asked(service.http_address, "POST", CHAT, body) as answer:
            wire = await answer.whole()
        request = v1.CompletionRequest(
            model="plain/m", messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hi")])]
        )
        request.tools.add(function=v1.FunctionTool(name="weather"))
        async with grpc.aio.insecure_channel(service.grpc_address) as channel:
            stub = v1.CompletionServiceStub(channel)
            if stream:
                completion = [event async for event in stub.StreamCompletion(request)][-1].finished.completion
            else:
                completion = await stub.CreateCompletion(request)

    assert b'"extra_content":{"google":{"thought_signature":"c2ln"}}' in wire
    (part,) = completion.choices[0].message.parts
    assert dict(part.tool_call.extensions) == {"extra_content": '{"google":{"thought_signature":"c2ln"}}'}


async def test_signed_reasoning_reaches_the_caller_and_comes_back(start_service: Any) -> None:
    first = {"type": "reasoning.text", "index": 0, "text": "Hm", "signature": None}
    last = {"type": "reasoning.text", "index": 0, "text": ".", "signature": "c2ln"}
    hidden = {"type": "reasoning.encrypted", "index": 1, "data": "eA=="}
    deltas = [{"reasoning_details": [first]}, {"reasoning_details": [last, hidden]}, {"content": "Hello"}, {}]
    whole = [{"type": "reasoning.text", "index": 0, "text": "Hm.", "signature": "c2ln"}, hidden]
    pieces = [chunk({"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}) for delta in deltas]
    async with upstream_of(STREAM, *pieces, b"data: [DONE]\n\n") as upstream:
        service = await serving(start_service, upstream, "openrouter")
        _, reply = await post(service, {"model": "openrouter/m", "messages": [USER]})
        message = reply["choices"][0]["message"]
        body = {"model": "openrouter/m", "messages": [USER, message, USER], "stream": True}
        async with asked(service.http_address, "POST", CHAT, body) as answer:
            streamed = [json.loads(line[6:]) for line in (await answer.whole()).split(b"\n") if line[6:7] == b"{"]

    assert (message["content"], message["reasoning_content"], message["reasoning_details"]) == ("Hello", "Hm.", whole)
    assert upstream.requests[-1].body["messages"][1]["reasoning_details"] == whole
    assert [one["choices"][0]["delta"].get("reasoning_details") for one in streamed if one["choices"]][-1] == whole


@pytest.mark.parametrize("details", [[{"type": "reasoning.text", "text": "Hm."}], [{"data": "x" * 1024**2 + "y"}]])
async def test_reasoning_without_a_signature_or_of_any_size_is_not_kept(start_service: Any, details: Any) -> None:
    pieces = [chunk({"index": 0, "delta": {"reasoning_details": details}}), *ANSWER[1:]]
    async with upstream_of(STREAM, *pieces) as upstream:
        service = await serving(start_service, upstream, "openrouter")
        _, reply = await post(service, {"model": "openrouter/m", "messages": [USER]})

    assert "reasoning_details" not in reply["choices"][0]["message"]


async def test_a_program_that_sends_functions_gets_a_function_call(start_service: Any) -> None:
    service = await start_service()
    calls = [{"name": "weather", "arguments": "{}"}, {"name": "weather", "arguments": "[]"}]
    body = chat(script={"tool_calls": calls}, functions=[TOOL["function"]])
    _, reply = await post(service, body)
    stream = await chunks(service, body)
    deltas = [choice["delta"] for piece in stream[:-1] for choice in piece["choices"]]
    pieces = [delta["function_call"] for delta in deltas if "function_call" in delta]

    assert reply["choices"][0]["finish_reason"] == "function_call"
    assert reply["choices"][0]["message"]["function_call"] == {"name": "weather", "arguments": "{}"}
    assert "tool_calls" not in reply["choices"][0]["message"]
    assert pieces[0]["name"] == "weather"
    assert "".join(piece["arguments"] for piece in pieces) == "{}"
    assert not any("tool_calls" in delta for delta in deltas)
    assert stream[-2]["choices"][0]["finish_reason"] == "function_call"
