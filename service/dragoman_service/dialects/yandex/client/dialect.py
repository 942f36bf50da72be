"""The client side of Yandex's dialect."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from google.rpc.status_pb2 import Status

from dragoman_service.dialects.yandex.client.errors import decode_error
from dragoman_service.dialects.yandex.client.request import SUPPORTED_FIELDS, encode_request
from dragoman_service.dialects.yandex.client.response import AnswerDecoder
from dragoman_service.dialects.yandex.names import model_uri
from dragoman_service.errors import CompletionError


class YandexClientDialect:
    """See `ClientDialect`. A piece is one message of the stream, or the response of an operation.

    `folder` is the id of the cloud folder that models belong to.
    """

    supported_fields: Sequence[str] = SUPPORTED_FIELDS

    def __init__(self, folder: str = "") -> None:
        self._folder = folder

    def encode_request(self, request: v1.CompletionRequest, *, stream: bool = True) -> y.CompletionRequest:
        """Raises INVALID_FIELD for a value that the vendor's API cannot express."""
        return encode_request(request, self.model_uri(request.model), stream=stream)

    def event_decoder(self, request: v1.CompletionRequest) -> AnswerDecoder:
        """A decoder for the answer to `request`."""
        return AnswerDecoder(request.generation_config.max_output_tokens)

    def decode_error(self, status: Status) -> CompletionError:
        """The error of a call that failed, or of an operation."""
        return decode_error(status)

    def model_uri(self, name: str) -> str:
        """The URI of the model `name`."""
        return model_uri(self._folder, name)
