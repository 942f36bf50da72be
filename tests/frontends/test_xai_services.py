"""xAI's services over real gRPC."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import grpc
import pytest
from dragoman.dialect.xai import v1 as x
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.testing.serving import serving
from google.protobuf.empty_pb2 import Empty
from waiting import until
from xai_client import Xai, asking, turn, xai_at

WEATHER = {"tools": [{"function": {"name": "weather", "parameters": '{"type":"object"}'}}]}
CALLING = '{"tool_calls": [{"name": "weather", "arguments": {"city": "Paris"}}]}'


@pytest.fixture
async def xai(start_service) -> AsyncIterator[Xai]:
    service = await start_service()
    async with xai_at(service.grpc_address) as client:
        yield client


async def refusal(call) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def ended(xai: Xai, request_id: str) -> x.GetDeferredCompletionResponse:
    """The deferred answer once it is there."""
    found = []

    async def is_there() -> bool:
        found[:] = [await xai.deferred(request_id)]
        return found[0].status != x.PENDING

    await until(is_there)
    return found[0]


async def test_an_answer_is_complete(xai):
    answer = await xai.sample(asking())
    output = answer.outputs[0]

    assert (output.message.content, output.message.role) == ("hello big world", x.ROLE_ASSISTANT)
    assert (output.finish_reason, output.index) == (x.REASON_STOP, 0)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 3, 6)
    assert answer.id
    assert answer.model == "echo"
    assert answer.created.seconds > 0


async def test_each_chunk_repeats_what_clients_take_from_the_newest(xai):
    chunks = await xai.chunks(asking(script='{"delay": "5ms"}'))

    texts = [chunk.outputs[0].delta.content for chunk in chunks]

    assert "".join(texts) == "hello big world"
    assert len(texts) > 2
    assert texts[-1] == ""
    assert {chunk.outputs[0].delta.role for chunk in chunks} == {x.ROLE_ASSISTANT}
    assert len({chunk.id for chunk in chunks}) == len({str(chunk.created) for chunk in chunks}) == 1
    assert {chunk.model for chunk in chunks} == {"echo"}
    assert [chunk.outputs[0].finish_reason for chunk in chunks] == [0] * (len(chunks) - 1) + [x.REASON_STOP]
    assert chunks[-1].usage.completion_tokens == 3


async def test_several_answers_are_told_apart(xai):
    answer = await xai.sample(asking(n=2))
    last = (await xai.chunks(asking(n=2)))[-1]

    assert [output.index for output in answer.outputs] == [output.index for output in last.outputs] == [0, 1]


async def test_calls_are_complete_and_their_results_answered(xai):
    request = asking(script=CALLING, **WEATHER)
    answer = await xai.sample(request)
    last = (await xai.chunks(request))[-1]
    message, call = answer.outputs[0].message, answer.outputs[0].message.tool_calls[0]
    request.messages.add(role=x.ROLE_ASSISTANT, content=[x.Content(text="")], tool_calls=message.tool_calls)
    request.messages.add(role=x.ROLE_TOOL, content=[x.Content(text="sunny")])
    after = await xai.sample(request)

    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Paris"}')
    assert call.type == x.TOOL_CALL_TYPE_CLIENT_SIDE_TOOL
    assert answer.outputs[0].finish_reason == last.outputs[0].finish_reason == x.REASON_TOOL_CALLS
    assert last.outputs[0].delta.tool_calls[0].function == call.function
    assert after.outputs[0].message.content == "sunny"


async def test_thoughts_are_apart_and_their_state_comes_back(xai):
    script = '{"reasoning": "Let me see.", "reasoning_state": "sealed"}'
    request = asking(script=script, reasoning_effort="EFFORT_HIGH")
    message = (await xai.sample(request)).outputs[0].message
    chunks = await xai.chunks(request)
    thoughts = "".join(chunk.outputs[0].delta.reasoning_content for chunk in chunks)

    assert message.reasoning_content == thoughts == "Let me see."
    assert message.encrypted_content
    assert chunks[-1].outputs[0].delta.encrypted_content == message.encrypted_content
    assert chunks[-1].usage.reasoning_tokens > 0


async def test_too_few_tokens_cut_the_answer(xai):
    answer = await xai.sample(asking(max_tokens=2))

    assert answer.outputs[0].message.content == "hello big"
    assert answer.outputs[0].finish_reason == x.REASON_MAX_LEN


async def test_a_deferred_answer_can_be_read_again(xai):
    started = await xai.start(asking(script='{"delay": "20ms"}'))
    first = await ended(xai, started.request_id)
    again = await xai.deferred(started.request_id)

    assert first.status == x.DONE
    assert first.response.outputs[0].message.content == "hello big world"
    assert again == first


async def test_a_deferred_answer_that_fails_is_the_status_of_the_call(xai):
    script = '{"fail_after": 0, "fail_code": "RESOURCE_EXHAUSTED", "fail_reason": "PROVIDER_QUOTA"}'
    started = await xai.start(asking(script=script))
    error = await refusal(ended(xai, started.request_id))
    unknown = await refusal(xai.deferred("01nothing"))

    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert unknown.code() == grpc.StatusCode.NOT_FOUND


async def test_models_tokens_and_the_key_are_told(xai):
    listed = await xai.models(Empty())
    one = await xai.model(x.GetModelRequest(name="echo"))
    tokens = await xai.tokenize(x.TokenizeTextRequest(text="hello big world", model="echo"))
    key = await xai.key(Empty())
    missing = await refusal(xai.model(x.GetModelRequest(name="no-such-model")))

    assert [(model.name, list(model.aliases)) for model in listed.models] == [("echo/echo", ["echo"])]
    assert (one.name, list(one.output_modalities)) == ("echo", [x.TEXT])
    assert "echo/echo" in one.aliases
    assert [token.string_token for token in tokens.tokens] == ["hello", " big", " world"]
    assert [token.token_bytes for token in tokens.tokens] == [b"hello", b" big", b" world"]
    assert key.api_key_id == "anonymous"
    assert missing.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"model": "nothing"}, "NOT_FOUND", "'nothing'"),
        ({"model": ""}, "INVALID_ARGUMENT", "model: is required"),
        ({"messages": []}, "INVALID_ARGUMENT", "messages: is required"),
        ({"temperature": 9}, "INVALID_ARGUMENT", "temperature: is 9;"),
        ({"max_tokens": 0}, "INVALID_ARGUMENT", "max_tokens: "),
        ({"n": 99}, "INVALID_ARGUMENT", "n: "),
        ({"tools": [{"web_search": {}}]}, "INVALID_ARGUMENT", "tools[0].web_search: is not supported"),
        ({"search_parameters": {"mode": "ON_SEARCH_MODE"}}, "INVALID_ARGUMENT", "search_parameters: "),
        ({"previous_response_id": "r"}, "INVALID_ARGUMENT", "previous_response_id: "),
        ({"script": '{"fail_after": 1, "fail_code": "UNAVAILABLE"}'}, "UNAVAILABLE", "scripted to fail"),
    ],
)
async def test_a_wrong_request_is_refused_with_the_vendors_name_of_the_field(xai, fields, code, message):
    for call in (xai.sample(asking(**fields)), xai.chunks(asking(**fields))):
        error = await refusal(call)

        assert error.code().name == code
        assert error.details().startswith(message) if ":" in message else message in error.details()


async def test_what_is_left_out_is_told_in_the_trailers(xai):
    call = xai.sample(asking(store_messages=True, max_turns=3))
    await call
    told = dict(await call.trailing_metadata())["x-dragoman-warning"]

    assert "store_messages" in told
    assert "max_turns" in told


@pytest.mark.parametrize("streaming", [True, False])
async def test_hanging_up_stops_the_model(streaming):
    echo = Echo(EchoSettings(first_delay=30))
    async with serving({"echo": echo}) as served:
        client = Xai(served.channel)
        call = (client.stream if streaming else client.sample)(asking())
        await until(lambda: echo.running == 1)
        call.cancel()
        await until(lambda: echo.running == 0)

    assert (echo.started, echo.closed) == (1, 1)


async def test_the_key_says_whose_it_is(start_service):
    digest = hashlib.sha256(b"test").hexdigest()
    keys = [{"id": "team-a", "sha256": digest, "models": ["echo"], "team": "blue"}]
    service = await start_service(access={"keys": keys})
    async with xai_at(service.grpc_address) as xai:
        told = await xai.key(Empty(), metadata=(("authorization", "Bearer test"),))
        wrong = await refusal(xai.sample(asking(), metadata=(("authorization", "Bearer no"),)))

    assert (told.api_key_id, told.team_id) == ("team-a", "blue")
    assert list(told.acls) == ["api-key:endpoint:*", "api-key:model:echo"]
    assert wrong.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_a_conversation_of_all_roles_is_read(xai):
    messages = [turn("DEVELOPER", "Be brief."), turn("USER", "Hi"), turn("ASSISTANT", "Yes?"), turn("USER", "one two")]
    answer = await xai.sample(asking(messages=messages))

    assert answer.outputs[0].message.content == "one two"
