"""Predictions keep the laws of a dialect, over REST and over gRPC, of chat and of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from dragoman import v1
from dragoman.dialect.google.aiplatform import v1 as a
from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.google.predict import tensors
from dragoman_service.dialects.google.predict.client.dialect import PredictClientDialect
from dragoman_service.dialects.google.predict.families import Family
from dragoman_service.dialects.google.predict.server.dialect import JsonDialect, MessageDialect
from dragoman_service.errors import CompletionError
from dragoman_service.testing import DialectLaws
from google.protobuf import json_format
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from hypothesis import strategies as st


def with_one_message(request: v1.CompletionRequest) -> v1.CompletionRequest:
    """The request without all but its last message, because some families take a single prompt."""
    del request.messages[:-1]
    return request


class TestChat(DialectLaws):
    server = JsonDialect()
    client = PredictClientDialect(Family.CHAT)
    model = ""  # it is in the path
    contents = ("text",)
    safety = citations = True
    finish_reasons = (*DialectLaws.finish_reasons, v1.FINISH_REASON_RECITATION)


class GrpcClient:
    """As much of a client over gRPC as the laws need: the events of the client over REST as messages."""

    def __init__(self, family: Family) -> None:
        self._rest = PredictClientDialect(family)
        self.supported_fields = self._rest.supported_fields

    def encode_request(self, request: v1.CompletionRequest) -> a.StreamingPredictRequest:
        body = orjson.loads(self._rest.encode_request(request))
        values = [tensors.plain_of_json(tree, "") for tree in (*body["inputs"], body.get("parameters"))]
        return a.StreamingPredictRequest(
            endpoint=request.model, inputs=[tensors.tensor_of(values[0])], parameters=tensors.tensor_of(values[1])
        )

    def event_decoder(self, request: v1.CompletionRequest) -> MessageDecoder:
        return MessageDecoder(self._rest, request)

    def decode_error(self, wire: Status) -> CompletionError:
        name, details = code_pb2.Code.Name(wire.code), json_format.MessageToDict(wire).get("details", [])
        body = {"error": {"status": name, "message": wire.message, "details": details}}
        return self._rest.decode_error(HttpErrorResponse(500, orjson.dumps(body)))


class MessageDecoder:
    def __init__(self, rest: PredictClientDialect, request: v1.CompletionRequest) -> None:
        self._rest = rest.event_decoder(request)

    @property
    def ended(self) -> bool:
        return self._rest.ended

    def feed(self, piece: a.StreamingPredictResponse) -> Iterator[v1.CompletionEvent]:
        outputs = [tensors.json_of(tensors.plain_of(tensor)) for tensor in piece.outputs]
        yield from self._rest.feed(b"data: " + orjson.dumps({"outputs": outputs}) + b"\n\n")

    def end(self) -> Iterator[v1.CompletionEvent]:
        yield from self._rest.end()


class TestTextOverGrpc(TestChat):
    """The other kind of instance and of prediction, over the other wire."""

    server: Any = MessageDialect()
    client: Any = GrpcClient(Family.TEXT)
    model = "projects/p/locations/l/publishers/google/models/m"

    def requests(self) -> st.SearchStrategy[v1.CompletionRequest]:
        return super().requests().map(with_one_message)
