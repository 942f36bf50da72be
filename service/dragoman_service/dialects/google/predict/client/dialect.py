"""The client side of predictions, over REST."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from dragoman import v1

from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.google.errors import decode_error
from dragoman_service.dialects.google.predict.client.request import (
    encode_instance,
    encode_parameters,
    supported_fields,
)
from dragoman_service.dialects.google.predict.client.response import AnswerDecoder
from dragoman_service.dialects.google.predict.families import Family
from dragoman_service.dialects.google.predict.tensors import json_of
from dragoman_service.errors import CompletionError


class PredictClientDialect:
    """See `ClientDialect`. It speaks to models of one family, whose names are in the paths of requests."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self.supported_fields: Sequence[str] = supported_fields(family)

    def encode_request(self, request: v1.CompletionRequest) -> bytes:
        """Raises INVALID_FIELD for a conversation that the family cannot express."""
        body = {"inputs": [json_of(encode_instance(request, self._family))]}
        parameters = encode_parameters(request, self._family)
        return orjson.dumps({**body, "parameters": json_of(parameters)} if parameters else body)

    def event_decoder(self, request: v1.CompletionRequest) -> AnswerDecoder:
        """A decoder for the answer to `request`."""
        return AnswerDecoder(request.generation_config.max_output_tokens)

    def decode_error(self, wire: HttpErrorResponse) -> CompletionError:
        """The error that came in place of an answer."""
        return decode_error(wire)
