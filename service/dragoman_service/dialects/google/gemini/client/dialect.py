"""The client side of Gemini's dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.bodies import BodyDecoder
from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.google.errors import decode_error
from dragoman_service.dialects.google.gemini.client.request import encode_request
from dragoman_service.dialects.google.gemini.client.response import ObjectDecoder
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.supported import SUPPORTED_FIELDS
from dragoman_service.errors import CompletionError

_COUNTED = ("contents", "systemInstruction", "tools")


class GeminiClientDialect:
    """See `ClientDialect`. A piece is bytes of the response body.

    The state of parts gets `mark` in front; state without it comes from another provider, and is not sent.
    """

    supported_fields: Sequence[str] = SUPPORTED_FIELDS

    def __init__(self, api: Api = Api.GEMINI, mark: bytes = b"") -> None:
        self._api = api
        self._mark = mark

    def encode_request(self, request: v1.CompletionRequest) -> bytes:
        """Raises INVALID_FIELD for a value that the vendor's API cannot express."""
        return orjson.dumps(encode_request(request, self._api, self._mark))

    def encode_count(self, request: v1.CompletionRequest, resource: str) -> bytes:
        """A request to count the tokens of `request`, whose model has that resource name."""
        body = encode_request(request, self._api, self._mark)
        if self._api is Api.GEMINI:
            return orjson.dumps({"generateContentRequest": {"model": resource, **body}})
        counted: dict[str, Any] = {name: body[name] for name in _COUNTED if name in body}
        return orjson.dumps(counted)

    def event_decoder(self, request: v1.CompletionRequest) -> BodyDecoder:
        """A decoder for the answer to `request`."""
        return BodyDecoder(ObjectDecoder(request, self._mark))

    def decode_error(self, response: HttpErrorResponse) -> CompletionError:
        """The error of a response whose status is not 200."""
        return decode_error(response)
