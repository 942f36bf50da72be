"""The server side of the Messages API."""

from __future__ import annotations

import orjson
from dragoman import v1

from dragoman_service.dialects.anthropic.server.errors import encode_error
from dragoman_service.dialects.anthropic.server.request import MessagesRequest, decode_request
from dragoman_service.dialects.anthropic.server.response import encode_completion
from dragoman_service.dialects.anthropic.server.stream import StreamEncoder, event_of
from dragoman_service.dialects.anthropic.server.terms import in_vendor_terms
from dragoman_service.dialects.anthropic.supported import SUPPORTED_FIELDS
from dragoman_service.dialects.contract import DecodedRequest, HttpErrorResponse
from dragoman_service.errors import CompletionError


class MessagesDialect:
    """See `ServerDialect`. Streams are server-sent events. With `reject` nothing is left out with a warning."""

    supported_fields = SUPPORTED_FIELDS
    sign_of_life = event_of({"type": "ping"})

    def __init__(self, *, reject: bool = False) -> None:
        self._reject = reject

    def decode_request(self, wire: bytes) -> MessagesRequest:
        return decode_request(wire, reject=self._reject)

    def encode_completion(self, completion: v1.Completion, decoded: DecodedRequest) -> bytes:
        return orjson.dumps(encode_completion(completion, _messages(decoded)))

    def event_encoder(self, decoded: DecodedRequest) -> StreamEncoder:
        return StreamEncoder(_messages(decoded))

    def encode_error(self, error: CompletionError, call_id: str) -> HttpErrorResponse:
        return encode_error(in_vendor_terms(error), call_id)


def _messages(decoded: DecodedRequest) -> MessagesRequest:
    return decoded if isinstance(decoded, MessagesRequest) else MessagesRequest(decoded.request)
