"""The client side of the Messages API."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson
from dragoman import v1

from dragoman_service.dialects.anthropic.client.errors import decode_error
from dragoman_service.dialects.anthropic.client.request import encode_count, encode_request
from dragoman_service.dialects.anthropic.client.response import MessageDecoder
from dragoman_service.dialects.anthropic.client.traits import Traits, traits_of
from dragoman_service.dialects.anthropic.supported import SUPPORTED_FIELDS
from dragoman_service.dialects.bodies import BodyDecoder
from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.errors import CompletionError


class AnthropicClientDialect:
    """See `ClientDialect`. A piece is bytes of the response body.

    The state of parts gets `mark` in front; state without it comes from another provider, and is not sent. `traits`
    says what a model accepts.
    """

    supported_fields: Sequence[str] = SUPPORTED_FIELDS

    def __init__(self, mark: bytes = b"", traits: Callable[[str], Traits] = traits_of) -> None:
        self._mark = mark
        self._traits = traits

    def encode_request(self, request: v1.CompletionRequest, *, stream: bool = True) -> bytes:
        """A request for a stream or a whole answer. Raises INVALID_FIELD for what the vendor's API cannot express."""
        return orjson.dumps(encode_request(request, self._traits(request.model), self._mark, stream=stream))

    def encode_count(self, request: v1.CompletionRequest) -> bytes:
        """A request to count the tokens of `request`."""
        return orjson.dumps(encode_count(request, self._traits(request.model), self._mark))

    def event_decoder(self, request: v1.CompletionRequest) -> BodyDecoder:
        """A decoder for the answer to `request`."""
        last = request.messages[-1] if request.messages else v1.Message()
        prefix = "".join(part.text for part in last.parts) if last.role == v1.ROLE_ASSISTANT else ""
        return BodyDecoder(MessageDecoder(self._mark, prefix))

    def decode_error(self, response: HttpErrorResponse) -> CompletionError:
        """The error of a response whose status is not 200."""
        return decode_error(response)
