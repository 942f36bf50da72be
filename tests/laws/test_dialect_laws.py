"""Both vendors' dialects keep the laws, each side against the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from dragoman_service.dialects.contract import HttpErrorResponse, IncompleteAnswerError
from dragoman_service.dialects.google.gemini.client.dialect import GeminiClientDialect
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.server.dialect import SseDialect
from dragoman_service.dialects.openai.client.dialect import OpenAIClientDialect
from dragoman_service.dialects.openai.client.quirks import CHAT_NAMES, JSON_FORMATS, PROMPT_NAMES, Quirks, names
from dragoman_service.dialects.openai.server.dialect import ChatDialect, TextDialect
from dragoman_service.dialects.yandex import json
from dragoman_service.dialects.yandex.client.dialect import YandexClientDialect
from dragoman_service.dialects.yandex.server.dialect import JsonDialect, MessageDialect
from dragoman_service.errors import CompletionError
from dragoman_service.testing import DialectLaws
from dragoman_service.testing.dialect_laws.pair import DialectPair
from google.protobuf import json_format
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from hypothesis import strategies as st

_MORE = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repetition_penalty"}
EVERYTHING = Quirks(
    names=names(CHAT_NAMES, **_MORE),
    prompt_names=names(PROMPT_NAMES, **_MORE),
    formats=JSON_FORMATS | {"grammar"},
    parts=frozenset({"reasoning", "refusal"}),
    tool_names=True,
)
OPENAI_ERRORS = (
    *DialectLaws.errors,
    CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED, "Shorten the prompt."),
    CompletionError(code_pb2.FAILED_PRECONDITION, v1.ERROR_REASON_PROVIDER_QUOTA, "Pay the bill."),
)


class TestOpenAIChat(DialectLaws):
    server = ChatDialect()
    client = OpenAIClientDialect(EVERYTHING)
    errors = OPENAI_ERRORS


class TestOpenAIText(DialectLaws):
    server = TextDialect()
    client = OpenAIClientDialect(replace(EVERYTHING, formats=frozenset()))  # none that all upstreams know for prompts
    errors = OPENAI_ERRORS
    conversations = False
    contents = ("text", "reasoning")

    def requests(self) -> st.SearchStrategy[v1.CompletionRequest]:
        return super().requests().filter(lambda request: request.generation_config.HasField("max_output_tokens"))


class TestYandex(DialectLaws):
    server = MessageDialect()
    client = YandexClientDialect("folder")
    model = "gpt://folder/m/latest"
    contents = ("text", "tool_call")
    mixed_contents = False
    tool_call_ids = False


class GeminiClient(GeminiClientDialect):
    """The client, and the path of its requests, which names the model, inside the body."""

    def encode_request(self, request: v1.CompletionRequest) -> bytes:
        return orjson.dumps({"model": request.model, **orjson.loads(super().encode_request(request))})


class TestGemini(DialectLaws):
    server = SseDialect(Api.GEMINI, stream=True)
    client = GeminiClient(Api.GEMINI)
    contents = ("text", "reasoning", "tool_call")
    finish_reasons = (*DialectLaws.finish_reasons, v1.FINISH_REASON_RECITATION, v1.FINISH_REASON_OTHER)
    safety = citations = states = True

    def requests(self) -> st.SearchStrategy[v1.CompletionRequest]:
        return DialectPair.requests(self).map(without_strict)

    def request_for(self, events: list[v1.CompletionEvent]) -> v1.CompletionRequest:
        request = DialectPair.request_for(self, events)
        if any(event.delta.HasField("reasoning") for event in events):  # thoughts are shown to those who ask for them
            request.generation_config.reasoning.effort = v1.REASONING_EFFORT_MEDIUM
        return request


class TestVertexGemini(DialectPair):
    """The other API differs in a few keys alone, which these laws see."""

    server = SseDialect(Api.VERTEX, stream=True)
    client = GeminiClient(Api.VERTEX)
    contents, finish_reasons, tool_call_ids = TestGemini.contents, TestGemini.finish_reasons, False
    safety = citations = states = True
    requests, request_for = TestGemini.requests, TestGemini.request_for
    test_a_request_comes_back_as_it_was = DialectLaws.test_a_request_comes_back_as_it_was
    test_a_streamed_answer_comes_back_as_it_was = DialectLaws.test_a_streamed_answer_comes_back_as_it_was
    test_a_complete_answer_comes_back_as_it_was = DialectLaws.test_a_complete_answer_comes_back_as_it_was


def without_strict(request: v1.CompletionRequest) -> v1.CompletionRequest:
    for tool in request.tools:
        tool.function.ClearField("strict")
    return request


class RestClient:
    """As much of a client of the REST API as the laws need: the messages of the gRPC client as lines of JSON."""

    def __init__(self) -> None:
        self._messages = YandexClientDialect("folder")
        self.supported_fields = self._messages.supported_fields

    def encode_request(self, request: v1.CompletionRequest) -> bytes:
        return json.encode(self._messages.encode_request(request))

    def event_decoder(self, request: v1.CompletionRequest) -> LineDecoder:
        return LineDecoder(self._messages, request)

    def decode_error(self, wire: HttpErrorResponse) -> CompletionError:
        return self._messages.decode_error(status_in(orjson.loads(wire.body)))


class LineDecoder:
    def __init__(self, messages: YandexClientDialect, request: v1.CompletionRequest) -> None:
        self._dialect, self._messages, self._rest = messages, messages.event_decoder(request), b""

    @property
    def ended(self) -> bool:
        return self._messages.ended

    def feed(self, piece: bytes) -> Iterator[v1.CompletionEvent]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in map(orjson.loads, lines):
            if "error" in line:
                raise self._dialect.decode_error(status_in(line))
            yield from self._messages.feed(json_format.ParseDict(line["result"], y.CompletionResponse()))

    def end(self) -> Iterator[v1.CompletionEvent]:
        if self._rest:
            raise IncompleteAnswerError
        yield from self._messages.end()


def status_in(body: dict[str, Any]) -> Status:
    error = body["error"]
    return json_format.ParseDict({"code": error["grpcCode"], **{k: error[k] for k in ("message", "details")}}, Status())


class TestYandexRest(TestYandex):
    server = JsonDialect()
    client = RestClient()
