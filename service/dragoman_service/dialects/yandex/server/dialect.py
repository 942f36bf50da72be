"""Yandex's text generation as two server dialects: messages over gRPC, and the same messages as JSON over REST."""

from __future__ import annotations

from collections.abc import Iterable

from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from google.rpc.status_pb2 import Status

from dragoman_service.dialects.contract import DecodedRequest, HttpErrorResponse
from dragoman_service.dialects.message_json import decode_message
from dragoman_service.dialects.yandex import json
from dragoman_service.dialects.yandex.server.errors import encode_error, in_vendor_terms
from dragoman_service.dialects.yandex.server.request import SUPPORTED_FIELDS, decode_request
from dragoman_service.dialects.yandex.server.response import MessageEncoder, encode_completion
from dragoman_service.errors import CompletionError


class MessageDialect:
    """Over gRPC: pieces are messages, errors are statuses."""

    supported_fields = SUPPORTED_FIELDS

    def decode_request(self, wire: y.CompletionRequest) -> DecodedRequest:
        return DecodedRequest(decode_request(wire), stream=wire.completion_options.stream, include_usage=True)

    def encode_completion(self, completion: v1.Completion, decoded: DecodedRequest) -> y.CompletionResponse:
        return encode_completion(completion)

    def event_encoder(self, decoded: DecodedRequest) -> MessageEncoder:
        return MessageEncoder()

    def encode_error(self, error: CompletionError, call_id: str) -> Status:
        return encode_error(error, call_id)


class JsonDialect:
    """Over REST: requests are JSON objects, pieces are lines of JSON."""

    supported_fields = SUPPORTED_FIELDS
    sign_of_life = b" "
    """Readers of JSON skip a space before a value, whereas an empty line would be read as one."""

    def __init__(self) -> None:
        self._messages = MessageDialect()

    def decode_request(self, wire: bytes) -> DecodedRequest:
        return self._messages.decode_request(decode_message(wire, y.CompletionRequest()))

    def encode_completion(self, completion: v1.Completion, decoded: DecodedRequest) -> bytes:
        return json.result_line(self._messages.encode_completion(completion, decoded))

    def event_encoder(self, decoded: DecodedRequest) -> LineEncoder:
        return LineEncoder()

    def encode_error(self, error: CompletionError, call_id: str) -> HttpErrorResponse:
        return json.encode_error(in_vendor_terms(error), call_id)


class LineEncoder:
    """Each message as one line of JSON."""

    def __init__(self) -> None:
        self._messages = MessageEncoder()

    def feed(self, event: v1.CompletionEvent) -> Iterable[bytes]:
        return map(json.result_line, self._messages.feed(event))

    def end(self) -> Iterable[bytes]:
        return map(json.result_line, self._messages.end())

    def fail(self, error: CompletionError, call_id: str) -> Iterable[bytes]:
        return (json.encode_error(in_vendor_terms(error), call_id).body + b"\n",)
