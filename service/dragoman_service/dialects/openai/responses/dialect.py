"""The Responses API as a server dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.contract import DecodedRequest, HttpErrorResponse
from dragoman_service.dialects.openai.responses.errors import encode_error
from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.dialects.openai.responses.reading.request import decode_request
from dragoman_service.dialects.openai.responses.writing.response import encode_response
from dragoman_service.dialects.openai.responses.writing.stream import ResponseEncoder
from dragoman_service.dialects.openai.server.dialect import SIGN_OF_LIFE, ChatDialect
from dragoman_service.errors import CompletionError

_LACKING = frozenset({"generation_config.choice_count", "generation_config.response_format.grammar", "messages.author"})


class ResponsesDialect:
    """See `ServerDialect`. Streams are server-sent events. With `reject` nothing is left out with a warning."""

    supported_fields = tuple(name for name in ChatDialect.supported_fields if name not in _LACKING)
    sign_of_life = SIGN_OF_LIFE

    def __init__(self, *, reject: bool = False) -> None:
        self._reject = reject

    def decode_request(self, wire: bytes) -> ResponsesRequest:
        return decode_request(wire, reject=self._reject)

    def decode_with(self, wire: bytes, known: Mapping[str, Any]) -> ResponsesRequest:
        """The request, with the items that it refers to by their ids."""
        return decode_request(wire, reject=self._reject, known=known)

    def encode_completion(self, completion: v1.Completion, decoded: DecodedRequest) -> bytes:
        return orjson.dumps(encode_response(completion, as_response(decoded)))

    def event_encoder(self, decoded: DecodedRequest) -> ResponseEncoder:
        return ResponseEncoder(as_response(decoded))

    def encode_error(self, error: CompletionError, call_id: str) -> HttpErrorResponse:
        return encode_error(error, call_id)


def as_response(decoded: DecodedRequest) -> ResponsesRequest:
    """The request as one of this dialect."""
    return decoded if isinstance(decoded, ResponsesRequest) else ResponsesRequest(decoded.request)
