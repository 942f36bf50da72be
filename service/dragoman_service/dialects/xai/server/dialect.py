"""xAI's chat as a server dialect: pieces are messages, errors are statuses."""

from __future__ import annotations

from dragoman import v1
from dragoman.dialect.xai import v1 as x
from google.rpc.status_pb2 import Status

from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.xai.server.request import decode_request
from dragoman_service.dialects.xai.server.response import encode_completion
from dragoman_service.dialects.xai.server.stream import ChunkEncoder
from dragoman_service.dialects.xai.server.terms import encode_error
from dragoman_service.dialects.xai.supported import SUPPORTED_FIELDS
from dragoman_service.errors import CompletionError


class XaiServerDialect:
    """See `ServerDialect`. Which method was called says whether an answer is streamed."""

    supported_fields = SUPPORTED_FIELDS

    def __init__(self, *, stream: bool = True) -> None:
        self._stream = stream

    def decode_request(self, wire: x.GetCompletionsRequest) -> DecodedRequest:
        return decode_request(wire, stream=self._stream)

    def encode_completion(self, completion: v1.Completion, decoded: DecodedRequest) -> x.GetChatCompletionResponse:
        return encode_completion(completion)

    def event_encoder(self, decoded: DecodedRequest) -> ChunkEncoder:
        return ChunkEncoder()

    def encode_error(self, error: CompletionError, call_id: str) -> Status:
        return encode_error(error, call_id)
