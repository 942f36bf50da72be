"""The provider `xai` against a scripted server: keys, models, errors, and answers that no service of ours gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from dragoman import v1
from dragoman.dialect.xai import v1 as x
from dragoman_service.contract import Call, CompletionError
from dragoman_service.providers.upstream.models import ModelsError
from dragoman_service.providers.xai.provider import XaiProvider, open_xai
from dragoman_service.providers.xai.settings import XaiSettings
from dragoman_service.testing.provider_laws.harness import folded
from google.protobuf.empty_pb2 import Empty
from pydantic import ValidationError

CALL = Call("call", "caller", None)
YES = x.GetChatCompletionChunk(
    outputs=[x.CompletionOutputChunk(delta=x.Delta(content="Yes", role=x.ROLE_ASSISTANT), finish_reason=x.REASON_STOP)],
    usage=x.SamplingUsage(prompt_tokens=3, completion_tokens=2, reasoning_tokens=4, total_tokens=9),
)


class Server:
    """Answers with `chunks`, then fails with `failure`."""

    def __init__(self) -> None:
        self.chunks: list[x.GetChatCompletionChunk] = [YES]
        self.failure: tuple[grpc.StatusCode, str] | None = None
        self.requests: list[x.GetCompletionsRequest] = []
        self.metadata: dict[str, Any] = {}
        self.names = ["grok-1", "grok-2"]
        self.port = 0
        self.whole_answers = 0
        self.silent = False

    async def answer(self, request: x.GetCompletionsRequest, context: Any) -> AsyncIterator[x.GetChatCompletionChunk]:
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata())
        for chunk in self.chunks:
            yield chunk
        if self.failure is not None:
            await context.abort(*self.failure)

    async def whole(self, request: x.GetCompletionsRequest, context: Any) -> x.GetChatCompletionResponse:
        self.requests.append(request)
        self.whole_answers += 1
        if self.failure is not None:
            await context.abort(*self.failure)
        if self.silent:
            await asyncio.Event().wait()
        said = x.CompletionMessage(content="Yes", role=x.ROLE_ASSISTANT)
        outputs = [x.CompletionOutput(message=said, finish_reason=x.REASON_STOP)]
        return x.GetChatCompletionResponse(outputs=outputs, usage=YES.usage)

    async def models(self, request: Empty, context: Any) -> x.ListLanguageModelsResponse:
        if self.failure is not None:
            await context.abort(*self.failure)
        return x.ListLanguageModelsResponse(models=[x.LanguageModel(name=name) for name in self.names])

    async def tokens(self, request: x.TokenizeTextRequest, context: Any) -> x.TokenizeTextResponse:
        words = request.text.split()
        tokens = [x.Token(token_id=number, string_token=word) for number, word in enumerate(words)]
        return x.TokenizeTextResponse(tokens=tokens)

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        def unary(method: Callable[..., Any], request: Any) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(
                method, request.FromString, lambda answer: answer.SerializeToString()
            )

        chat = grpc.unary_stream_rpc_method_handler(
            self.answer, x.GetCompletionsRequest.FromString, x.GetChatCompletionChunk.SerializeToString
        )
        return [
            grpc.method_handlers_generic_handler(
                "xai_api.Chat",
                {"GetCompletionChunk": chat, "GetCompletion": unary(self.whole, x.GetCompletionsRequest)},
            ),
            grpc.method_handlers_generic_handler("xai_api.Models", {"ListLanguageModels": unary(self.models, Empty)}),
            grpc.method_handlers_generic_handler(
                "xai_api.Tokenize", {"TokenizeText": unary(self.tokens, x.TokenizeTextRequest)}
            ),
        ]


@pytest.fixture
async def upstream() -> AsyncIterator[Server]:
    scripted = Server()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(scripted.handlers())
    scripted.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield scripted
    await server.stop(None)


@asynccontextmanager
async def provider_for(upstream: Server, /, **settings: Any) -> AsyncIterator[XaiProvider]:
    given = {"endpoint": f"127.0.0.1:{upstream.port}", "tls": False, "models": ["grok-1"], "api_key": "xai-secret"}
    async with open_xai(XaiSettings.model_validate(given | settings)) as provider:
        yield provider


def asking(*messages: v1.Message, **fields: Any) -> v1.CompletionRequest:
    turns = messages or [v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hi")])]
    return v1.CompletionRequest(model="grok-1", messages=turns, **fields)


async def answered(provider: XaiProvider, request: v1.CompletionRequest) -> v1.Completion:
    return folded([event async for event in provider.complete(request, CALL)])


async def error_of(upstream: Server) -> CompletionError:
    async with provider_for(upstream) as provider:
        with pytest.raises(CompletionError) as caught:
            await answered(provider, asking())
    return caught.value


def chunk(finish: x.FinishReason.ValueType = x.REASON_INVALID, **delta: Any) -> x.GetChatCompletionChunk:
    said = x.Delta(**{"role": x.ROLE_ASSISTANT, **delta})
    return x.GetChatCompletionChunk(outputs=[x.CompletionOutputChunk(delta=said, finish_reason=finish)])


async def test_the_key_is_sent_and_thoughts_are_counted_as_output(upstream):
    async with provider_for(upstream) as provider:
        answer = await answered(provider, asking())

    assert upstream.metadata["authorization"] == "Bearer xai-secret"
    assert upstream.requests[0].use_encrypted_content
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.reasoning_tokens) == (3, 6, 4)
    assert answer.choices[0].provider_finish_reason == "REASON_STOP"


async def test_models_are_those_that_the_vendor_lists_unless_the_settings_name_some(upstream):
    async with provider_for(upstream, models=None) as listed, provider_for(upstream) as named:
        assert [model.provider_model for model in listed.models()] == ["grok-1", "grok-2"]
        assert [model.provider_model for model in named.models()] == ["grok-1"]


async def test_models_that_cannot_be_listed_are_the_operators_business(upstream):
    upstream.failure = (grpc.StatusCode.UNAUTHENTICATED, "No such key: xai-secret")
    with pytest.raises(ModelsError, match="rejected the credentials") as caught:
        async with provider_for(upstream, models=None):
            pass
    upstream.failure, upstream.names = None, []
    with pytest.raises(ModelsError, match="lists no models"):
        async with provider_for(upstream, models=None):
            pass

    assert "xai-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "words", "reason"),
    [
        ("UNAUTHENTICATED", "No.", "PROVIDER_CREDENTIALS"),
        ("INVALID_ARGUMENT", "Incorrect API key provided: xa***.", "PROVIDER_CREDENTIALS"),
        ("RESOURCE_EXHAUSTED", "Too many requests.", "PROVIDER_RATE_LIMITED"),
        ("RESOURCE_EXHAUSTED", "Your team has either used all available credits or more.", "PROVIDER_QUOTA"),
        ("PERMISSION_DENIED", "Content violates usage guidelines.", "PROVIDER_REJECTED"),
        ("PERMISSION_DENIED", "Go away.", "PROVIDER_CREDENTIALS"),
        ("NOT_FOUND", "No such model.", "PROVIDER_MODEL_MISSING"),
        ("INVALID_ARGUMENT", "n is too large", "PROVIDER_REJECTED"),
        ("UNAVAILABLE", "Busy.", "PROVIDER_UNAVAILABLE"),
    ],
)
async def test_a_failure_has_its_reason(upstream, code, words, reason):
    upstream.chunks, upstream.failure = [], (grpc.StatusCode[code], words)

    assert (await error_of(upstream)).reason_name == reason


@pytest.mark.parametrize("failure", [None, (grpc.StatusCode.UNAVAILABLE, "Gone.")])
async def test_an_answer_that_breaks_off_is_no_shorter_one(upstream, failure):
    upstream.chunks, upstream.failure = [chunk(content="Ye")], failure
    error = await error_of(upstream)

    assert error.reason_name == "PROVIDER_STREAM_BROKEN"
    assert not error.retryable


async def test_an_upstream_that_cannot_be_reached_is_unavailable(upstream):
    async with provider_for(upstream, endpoint="127.0.0.1:1") as provider:
        with pytest.raises(CompletionError) as caught:
            await answered(provider, asking())

    assert caught.value.reason_name == "PROVIDER_UNAVAILABLE"
    assert caught.value.retryable


async def test_state_comes_back_to_this_provider_alone(upstream):
    upstream.chunks = [
        chunk(reasoning_content="Hm", encrypted_content="sea"),
        chunk(content="Yes", encrypted_content="led"),
        chunk(x.REASON_STOP),
    ]
    async with provider_for(upstream) as provider:
        said = (await answered(provider, asking())).choices[0].message
        foreign = v1.Message(role=v1.ROLE_ASSISTANT, parts=[v1.Part(text="No", state=b"gemini:sig")])
        await answered(provider, asking(said, foreign))
    ours, theirs = upstream.requests[-1].messages

    assert ours.encrypted_content == "sealed"
    assert (ours.reasoning_content, ours.content[0].text) == ("Hm", "Yes")
    assert not theirs.encrypted_content


async def test_calls_without_arguments_have_an_empty_object_and_hosted_ones_are_not_ours(upstream):
    hosted = x.ToolCall(type=x.TOOL_CALL_TYPE_WEB_SEARCH_TOOL, function=x.FunctionCall(name="search"))
    own = x.ToolCall(id="c", function=x.FunctionCall(name="look"))
    upstream.chunks = [chunk(content="found", role=x.ROLE_TOOL), chunk(x.REASON_STOP, tool_calls=[hosted, own])]
    async with provider_for(upstream) as provider:
        choice = (await answered(provider, asking())).choices[0]

    assert [part.tool_call for part in choice.message.parts] == [v1.ToolCall(id="c", name="look", arguments_json="{}")]
    assert choice.finish_reason == v1.FINISH_REASON_TOOL_CALLS


@pytest.mark.parametrize(
    "strange",
    [
        x.GetChatCompletionChunk(outputs=[x.CompletionOutputChunk(index=3)]),
        x.GetChatCompletionChunk(usage=x.SamplingUsage(prompt_tokens=-1)),
        chunk(tool_calls=[x.ToolCall(id="c")]),
    ],
)
async def test_an_answer_that_makes_no_sense_is_malformed(upstream, strange):
    upstream.chunks = [strange]

    assert (await error_of(upstream)).reason_name == "PROVIDER_MALFORMED"


async def test_texts_are_split_and_prompts_are_not(upstream):
    async with provider_for(upstream) as provider:
        found = await provider.tokenize(v1.TokenizeRequest(model="grok-1", text="one two"), CALL)
        with pytest.raises(CompletionError) as caught:
            await provider.tokenize(v1.TokenizeRequest(model="grok-1", request=asking()), CALL)

    assert [token.text for token in found.tokens] == ["one", "two"]
    assert caught.value.reason_name == "CAPABILITY_MISSING"


def test_certificates_have_no_use_without_tls(tmp_path):
    (tmp_path / "ca.pem").write_text("")
    with pytest.raises(ValidationError):
        XaiSettings.model_validate({"tls": False, "ca_file": tmp_path / "ca.pem"})
