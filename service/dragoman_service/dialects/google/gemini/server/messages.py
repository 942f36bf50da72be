"""Gemini as a server dialect over gRPC, for either API: pieces are messages, errors are statuses."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any, Generic, TypeVar, cast

from dragoman import v1
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.server.dialect import ObjectDialect
from dragoman_service.dialects.google.gemini.server.request import GeminiRequest
from dragoman_service.dialects.google.gemini.server.response import Wire
from dragoman_service.dialects.google.gemini.server.stream import ObjectEncoder
from dragoman_service.dialects.google.gemini.server.terms import in_vendor_terms
from dragoman_service.dialects.google.gemini.supported import SUPPORTED_FIELDS
from dragoman_service.dialects.google.gemini.transcoding import message_of, object_of
from dragoman_service.errors import CompletionError

Answer = TypeVar("Answer", bound=Message)
_PIECE = {"candidates": "candidates", "modelVersion": "model_version", "responseId": "response_id"}
_CANDIDATE, _TEXT = {"content", "index"}, {"text", "thought"}
"""The keys of pieces that hold only text, the first with the names of their fields."""


class MessageDialect(Generic[Answer]):
    """Messages are transcoded to and from the objects of `ObjectDialect`. `answer` is the class of the answers."""

    supported_fields = SUPPORTED_FIELDS

    def __init__(self, api: Api, answer: type[Answer], *, stream: bool = False, reject: bool = False) -> None:
        self._objects = ObjectDialect(api, stream=stream, reject=reject)
        self._answer = answer

    def decode_request(self, wire: Message) -> GeminiRequest:
        """`model` holds the model's resource name."""
        return self._objects.decode_request(object_of(wire))

    def decode_count(self, wire: Message) -> GeminiRequest:
        """The request whose tokens CountTokens counts."""
        return self._objects.decode_count(object_of(wire))

    def encode_completion(self, completion: v1.Completion, decoded: DecodedRequest) -> Answer:
        return _encoded(self._objects.encode_completion(completion, decoded), self._answer)

    def event_encoder(self, decoded: DecodedRequest) -> MessageEncoder[Answer]:
        return MessageEncoder(self._objects.event_encoder(decoded), self._answer)

    def encode_error(self, error: CompletionError, call_id: str) -> Status:
        return encode_status(error, call_id)


class MessageEncoder(Generic[Answer]):
    """Each object as a message."""

    def __init__(self, objects: ObjectEncoder, answer: type[Answer]) -> None:
        self._objects = objects
        self._answer = answer

    def feed(self, event: v1.CompletionEvent) -> Iterable[Answer]:
        return [_encoded(piece, self._answer) for piece in self._objects.feed(event)]

    def end(self) -> Iterable[Answer]:
        return [_encoded(piece, self._answer) for piece in self._objects.end()]

    def fail(self, error: CompletionError, call_id: str) -> Iterable[Answer]:
        return ()  # the status of the call tells


def encode_status(error: CompletionError, call_id: str) -> Status:
    """The status of a call that failed, with the vendor's names of fields."""
    return in_vendor_terms(error).status(call_id)


def _encoded(piece: Wire, answer: type[Answer]) -> Answer:
    """A piece as a message. A reason that only the other API knows is OTHER, because none would say that it goes on."""
    if _is_plain(piece):
        make: Any = answer
        return cast("Answer", make(**{_PIECE[key]: value for key, value in piece.items()}))
    candidate = answer.DESCRIPTOR.file.message_types_by_name["Candidate"]
    feedback = answer.DESCRIPTOR.nested_types_by_name["PromptFeedback"]
    for found in piece.get("candidates", ()):
        _replace_unknown(found, "finishReason", candidate.enum_types_by_name["FinishReason"].values_by_name)
    _replace_unknown(piece.get("promptFeedback", {}), "blockReason", feedback.enum_types[0].values_by_name)
    return message_of(piece, answer())


def _is_plain(piece: Wire) -> bool:
    """Whether it holds only text, as most pieces of a stream do. A message takes it as it is, ten times as fast."""
    return piece.keys() <= _PIECE.keys() and all(
        candidate.keys() <= _CANDIDATE and all(part.keys() <= _TEXT for part in candidate["content"]["parts"])
        for candidate in piece.get("candidates", ())
    )


def _replace_unknown(found: Wire, key: str, known: Container[str]) -> None:
    if key in found and found[key] not in known:
        found[key] = "OTHER"
