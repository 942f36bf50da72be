"""Gemini's dialect over gRPC keeps the laws in both numberings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from dragoman import v1
from dragoman.dialect.google.aiplatform import v1 as a
from dragoman.dialect.google.generativelanguage import v1 as g
from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.google.gemini.client.dialect import GeminiClientDialect
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.server.messages import MessageDialect
from dragoman_service.dialects.google.gemini.transcoding import message_of, object_of
from dragoman_service.errors import CompletionError
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from test_dialect_laws import TestGemini as GeminiLaws


class GrpcClient:
    """As much of a client over gRPC as the laws need: the objects of the client over REST as messages."""

    def __init__(self, api: Api, request: type[Message]) -> None:
        self._rest = GeminiClientDialect(api)
        self._request = request
        self.supported_fields = self._rest.supported_fields

    def encode_request(self, request: v1.CompletionRequest) -> Message:
        return message_of({"model": request.model, **orjson.loads(self._rest.encode_request(request))}, self._request())

    def event_decoder(self, request: v1.CompletionRequest) -> MessageDecoder:
        return MessageDecoder(self._rest, request)

    def decode_error(self, wire: Status) -> CompletionError:
        name, details = code_pb2.Code.Name(wire.code), json_format.MessageToDict(wire).get("details", [])
        body = {"error": {"status": name, "message": wire.message, "details": details}}
        return self._rest.decode_error(HttpErrorResponse(500, orjson.dumps(body)))


class MessageDecoder:
    def __init__(self, rest: GeminiClientDialect, request: v1.CompletionRequest) -> None:
        self._rest = rest.event_decoder(request)

    @property
    def ended(self) -> bool:
        return self._rest.ended

    def feed(self, piece: Message) -> Iterator[v1.CompletionEvent]:
        yield from self._rest.feed(b"data: " + orjson.dumps(object_of(piece)) + b"\n\n")

    def end(self) -> Iterator[v1.CompletionEvent]:
        yield from self._rest.end()


class WithoutLevels(GrpcClient):
    """The vendor's package has no levels of thinking, only budgets."""

    def __init__(self) -> None:
        super().__init__(Api.GEMINI, g.GenerateContentRequest)
        self.supported_fields = [field for field in self.supported_fields if field != "generation_config.reasoning"]


class TestGeminiMessages(GeminiLaws):
    server: Any = MessageDialect(Api.GEMINI, g.GenerateContentResponse, stream=True)
    client: Any = WithoutLevels()


class TestVertexMessages(GeminiLaws):
    server: Any = MessageDialect(Api.VERTEX, a.GenerateContentResponse, stream=True)
    client: Any = GrpcClient(Api.VERTEX, a.GenerateContentRequest)
    tool_call_ids = False
