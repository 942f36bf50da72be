"""The vendor's services over real gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise

import grpc
import pytest
from dragoman.dialect.yandex import v1 as y
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.testing.serving import serving
from waiting import until
from yandex_client import Yandex, asking, refusal, yandex_at

STREAM = {"completionOptions": {"stream": True}}
Status = y.Alternative.AlternativeStatus


@pytest.fixture
async def yandex(start_service) -> AsyncIterator[Yandex]:
    service = await start_service()
    async with yandex_at(service.grpc_address) as client:
        yield client


def text_of(piece: y.CompletionResponse) -> str:
    return piece.alternatives[0].message.text


async def test_without_stream_there_is_one_message(yandex):
    (answer,) = await yandex.pieces(asking())

    assert text_of(answer) == "hello big world"
    assert answer.alternatives[0].message.role == "assistant"
    assert answer.alternatives[0].status == y.Alternative.ALTERNATIVE_STATUS_FINAL
    assert (answer.usage.input_text_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 3, 6)
    assert answer.model_version == "echo"


async def test_a_stream_grows_into_the_complete_answer(yandex):
    slow = '{"delay": "10ms"}'
    *partial, last = await yandex.pieces(asking(script=slow, **STREAM))
    (whole,) = await yandex.pieces(asking(script=slow))
    texts = [text_of(piece) for piece in partial]

    assert texts[-1] == text_of(whole) == "hello big world"
    assert len(texts) > 1
    assert all(later.startswith(f"{earlier} ") for earlier, later in pairwise(texts))
    assert {Status.Name(piece.alternatives[0].status) for piece in partial} == {"ALTERNATIVE_STATUS_PARTIAL"}
    assert last == whole


async def test_too_few_tokens_cut_the_answer(yandex):
    *_, last = await yandex.pieces(asking(completionOptions={"stream": True, "maxTokens": 2}))

    assert text_of(last) == "hello big"
    assert last.alternatives[0].status == y.Alternative.ALTERNATIVE_STATUS_TRUNCATED_FINAL


async def test_tools_are_called_and_their_results_answered(yandex):
    tools = {"tools": [{"function": {"name": "weather", "parameters": {"type": "object"}}}]}
    script = '{"tool_calls": [{"name": "weather", "arguments": {"city": "Paris", "days": 2}}]}'
    (answer,) = await yandex.pieces(asking(script=script, **tools))
    calls = answer.alternatives[0].message.tool_call_list
    request = asking(script=script, **tools)
    request.messages.add(role="assistant").tool_call_list.CopyFrom(calls)
    result = request.messages.add(role="user").tool_result_list.tool_results.add().function_result
    result.name, result.content = "weather", "sunny"
    (after,) = await yandex.pieces(request)

    assert answer.alternatives[0].status == y.Alternative.ALTERNATIVE_STATUS_TOOL_CALLS
    assert dict(calls.tool_calls[0].function_call.arguments) == {"city": "Paris", "days": 2}
    assert text_of(after) == "sunny"


async def test_texts_and_prompts_are_tokenized(yandex):
    text = await yandex.tokenize(y.TokenizeRequest(model_uri="gpt://f/echo", text="hello big world"))
    prompt = await yandex.tokenize_completion(asking())

    assert [token.text for token in text.tokens] == ["hello", " big", " world"]
    assert prompt.tokens == text.tokens
    assert text.model_version == "echo"


async def test_a_model_is_found_with_and_without_version_and_by_its_full_name(yandex):
    for uri in ("gpt://f/echo", "gpt://f/echo/latest", "gpt://<folder_ID>/echo/rc", "echo", "echo/echo"):
        assert await yandex.pieces(asking(model=uri))


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"model": "gpt://f/nothing/latest"}, "NOT_FOUND", "'gpt://f/nothing/latest'"),
        ({"model": ""}, "INVALID_ARGUMENT", "model_uri: is required"),
        ({"messages": []}, "INVALID_ARGUMENT", "messages: is required"),
        ({"completionOptions": {"maxTokens": 0}}, "INVALID_ARGUMENT", "completion_options.max_tokens: "),
        ({"completionOptions": {"temperature": 9}}, "INVALID_ARGUMENT", "completion_options.temperature: is 9;"),
        ({"completionOptions": {"stream": True, "temperature": 9}}, "INVALID_ARGUMENT", "completion_options.temp"),
        ({"script": '{"fail_after": 1, "fail_code": "RESOURCE_EXHAUSTED"}'}, "RESOURCE_EXHAUSTED", "scripted to fail"),
    ],
)
async def test_an_invalid_request_is_refused_in_the_vendors_terms(yandex, fields, code, message):
    error = await refusal(yandex.pieces(asking(**fields), (("x-client-request-id", "id-7"),)))

    assert error.code().name == code
    assert message in error.details()
    assert dict(error.trailing_metadata())["x-client-request-id"] == "id-7"


async def test_a_stream_that_fails_ends_in_the_error(yandex):
    call = yandex.completion(asking(script='{"fail_after": 2, "fail_code": "UNAVAILABLE"}', **STREAM))
    pieces = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for piece in call:
            pieces.append(piece)

    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert Status.Name(pieces[-1].alternatives[0].status) == "ALTERNATIVE_STATUS_PARTIAL"


@pytest.mark.parametrize("streaming", [True, False])
async def test_hanging_up_stops_the_model(streaming):
    echo = Echo(EchoSettings(first_delay=30))
    async with serving({"echo": echo}) as served:
        call = Yandex(served.channel).completion(asking(completionOptions={"stream": streaming}))
        await until(lambda: echo.running == 1)
        call.cancel()
        await until(lambda: echo.running == 0)

    assert (echo.started, echo.closed) == (1, 1)


async def test_the_clients_own_id_comes_back(yandex):
    call = yandex.tokenize(y.TokenizeRequest(model_uri="echo"), metadata=(("x-client-request-id", "id-7"),))

    assert dict(await call.initial_metadata())["x-client-request-id"] == "id-7"


async def test_an_api_key_is_required(start_service):
    key = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # of "test"
    service = await start_service(access={"keys": [{"id": "team-a", "sha256": key, "models": ["echo"]}]})
    async with yandex_at(service.grpc_address) as yandex:
        answers = [
            await yandex.pieces(asking(), (("authorization", f"{scheme} test"),)) for scheme in ("Api-Key", "Bearer")
        ]
        wrong = await refusal(
            yandex.pieces(asking(), (("authorization", "Api-Key no"), ("x-client-request-id", "id-8")))
        )
        without = await refusal(yandex.get(y.GetOperationRequest(operation_id="x")))
        open_to_all = await yandex.endpoints(y.ListApiEndpointsRequest())

    assert all(answers)
    assert wrong.code() == without.code() == grpc.StatusCode.UNAUTHENTICATED
    assert dict(wrong.trailing_metadata())["x-client-request-id"] == "id-8"
    assert {endpoint.address for endpoint in open_to_all.endpoints} == {service.grpc_address}
