"""The client side of xAI's dialect."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import v1
from dragoman.dialect.xai import v1 as x
from google.rpc.status_pb2 import Status

from dragoman_service.dialects.xai.client.errors import decode_error
from dragoman_service.dialects.xai.client.request import encode_request
from dragoman_service.dialects.xai.client.response import AnswerDecoder
from dragoman_service.dialects.xai.supported import SUPPORTED_FIELDS
from dragoman_service.errors import CompletionError


class XaiClientDialect:
    """See `ClientDialect`. A piece is one message of the stream, or a complete answer.

    The state of parts gets `mark` in front; state without it comes from another provider, and is not sent.
    """

    supported_fields: Sequence[str] = SUPPORTED_FIELDS

    def __init__(self, mark: bytes = b"") -> None:
        self._mark = mark

    def encode_request(self, request: v1.CompletionRequest) -> x.GetCompletionsRequest:
        """Raises INVALID_FIELD for a value that the vendor's API cannot express."""
        return encode_request(request, self._mark)

    def event_decoder(self, request: v1.CompletionRequest) -> AnswerDecoder:
        """A decoder for the answer to `request`."""
        return AnswerDecoder(request.generation_config.choice_count, self._mark)

    def decode_error(self, status: Status) -> CompletionError:
        """The error of a call that failed."""
        return decode_error(status)
