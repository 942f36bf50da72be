"""Completions over HTTP, complete and streamed: the answer is that of gRPC, in OpenAI's shapes."""

from __future__ import annotations

import grpc
import pytest
from dragoman import v1
from http_asking import CHAT, LEGACY, ROOT, chat, chunks, post, text_of
from raw_http import asked


@pytest.mark.parametrize("path", [CHAT, ROOT])
async def test_a_chat_gets_a_complete_answer(start_service, path):
    service = await start_service()
    answer, reply = await post(service, chat(), path)

    assert (answer.status, reply["object"], reply["model"]) == (200, "chat.completion", "echo")
    assert reply["choices"][0]["message"]["content"] == "one two three"
    assert reply["usage"]["total_tokens"] == 6
    assert reply["id"] == f"chatcmpl-{answer.headers['x-request-id']}"


@pytest.mark.parametrize("path", [CHAT, ROOT])
async def test_a_streamed_chat_is_the_complete_answer(start_service, path):
    service = await start_service()
    reply = await chunks(service, chat(), path)
    ends = [chunk["choices"][0]["finish_reason"] for chunk in reply[:-1]]

    assert reply[-1] == "[DONE]"
    assert text_of(reply) == "one two three"
    assert [end for end in ends if end] == ["stop"]


async def test_a_prompt_is_completed_in_one_piece_and_streamed(start_service):
    service = await start_service()
    body = {"model": "echo", "prompt": "a b c"}
    _, whole = await post(service, body, LEGACY)
    stream = await chunks(service, body, LEGACY)

    assert (whole["object"], whole["choices"][0]["text"]) == ("text_completion", "a b c")
    assert "".join(chunk["choices"][0]["text"] for chunk in stream[:-1]) == "a b c"
    assert whole["id"].startswith("cmpl-")


async def test_it_is_the_answer_that_grpc_gives(start_service, prompt):
    service = await start_service()
    config = {"max_tokens": 2, "n": 2, "logprobs": True, "top_logprobs": 1}
    _, reply = await post(service, chat(**config))
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        ours = {"max_output_tokens": 2, "choice_count": 2, "include_logprobs": True, "top_logprobs": 1}
        native = await v1.CompletionServiceStub(channel).CreateCompletion(prompt(**ours))

    assert len(reply["choices"]) == len(native.choices) == 2
    for choice, other in zip(reply["choices"], native.choices, strict=True):
        assert choice["message"]["content"] == other.message.parts[0].text == "one two"
        assert choice["finish_reason"] == "length"
        tokens = [
            (token["token"], token["logprob"], len(token["top_logprobs"])) for token in choice["logprobs"]["content"]
        ]
        assert tokens == [(token.token, token.logprob, len(token.top_logprobs)) for token in other.logprobs]


WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


async def test_tools_are_called_and_their_results_accepted(start_service):
    service = await start_service()
    body = chat(script={"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}]}, tools=[WEATHER])
    _, called = await post(service, body)
    message = called["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "rain"}
    _, answered = await post(service, body | {"messages": [*body["messages"], message, result]})

    assert (message["content"], called["choices"][0]["finish_reason"]) == (None, "tool_calls")
    assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Oslo"}'}
    assert answered["choices"][0]["message"]["content"] == "rain"


async def test_calls_are_streamed_in_pieces(start_service):
    service = await start_service()
    script = {"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}], "delay": "1ms"}
    reply = await chunks(service, chat(script=script, tools=[WEATHER]))
    pieces = [piece for chunk in reply[:-1] for piece in chunk["choices"][0]["delta"].get("tool_calls", [])]

    assert len(pieces) > 1
    assert pieces[0]["function"]["name"] == "weather"
    assert pieces[0]["id"]
    assert all("id" not in piece for piece in pieces[1:])
    assert "".join(piece["function"]["arguments"] for piece in pieces) == '{"city": "Oslo"}'


async def test_reasoning_and_refusals_have_keys_of_their_own(start_service):
    service = await start_service()
    _, reply = await post(service, chat(script={"reasoning": "hm", "refusal": "no"}))
    message = reply["choices"][0]["message"]

    assert (message["reasoning_content"], message["refusal"], message["content"]) == ("hm", "no", None)
    assert reply["usage"]["completion_tokens_details"]["reasoning_tokens"] == 1


async def test_the_usage_of_a_stream_comes_last_on_request(start_service):
    service = await start_service()
    options = {"stream_options": {"include_usage": True}}
    with_usage, without = await chunks(service, chat(**options)), await chunks(service, chat())
    at_the_root = await chunks(service, chat(**options), ROOT)

    assert with_usage[-2]["choices"] == []
    assert with_usage[-2]["usage"]["total_tokens"] == 6
    for stream in (without, at_the_root):
        assert all(chunk["choices"] and "usage" not in chunk for chunk in stream[:-1])


async def test_labels_come_back_and_the_end_user_is_passed_on(start_service):
    service = await start_service()
    _, reply = await post(service, chat(metadata={"team": "a"}, user="someone"))

    assert reply["metadata"] == {"team": "a"}


async def test_an_idempotency_key_makes_a_request_safe_to_repeat(start_service):
    service = await start_service()
    (first, again), other = (
        [await post(service, chat(), idempotency_key="k1") for _ in range(2)],
        await post(service, chat("something else"), idempotency_key="k1"),
    )
    echo = service.opened.providers["echo"]

    assert first[1]["choices"] == again[1]["choices"]
    assert first[1]["id"] == again[1]["id"]
    assert echo.started == 1
    assert (other[0].status, other[1]["error"]["code"]) == (409, "request_id_reused")
    assert other[0].headers["x-should-retry"] == "false"


async def test_a_repeated_stream_is_the_same_stream(start_service):
    service = await start_service()
    streams = []
    for _ in range(2):
        headers = {"idempotency-key": "k2"}
        async with asked(service.http_address, "POST", CHAT, chat(stream=True), headers) as answer:
            streams.append(await answer.whole())

    assert streams[0] == streams[1]
    assert service.opened.providers["echo"].started == 1
