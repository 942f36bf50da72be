"""Gemini as server dialects: JSON objects, and two ways to send them over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.contract import DecodedRequest, HttpErrorResponse
from dragoman_service.dialects.google.errors import encode_error, error_tree
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.server.request import (
    GeminiRequest,
    decode_count,
    decode_request,
)
from dragoman_service.dialects.google.gemini.server.response import Wire, encode_completion
from dragoman_service.dialects.google.gemini.server.stream import ObjectEncoder
from dragoman_service.dialects.google.gemini.server.terms import in_vendor_terms
from dragoman_service.dialects.google.gemini.supported import SUPPORTED_FIELDS
from dragoman_service.errors import CompletionError

# Line separators of Unicode, at which some clients split lines, and what JSON has for them.
_SEPARATORS = tuple((mark.encode(), f"\\u{ord(mark):04x}".encode()) for mark in "\u2028\u2029\u0085")


class ObjectDialect:
    """Requests and pieces are JSON objects as Python has them. `stream` says what a request asks for.

    With `reject` nothing is left out of a request with a warning.
    """

    supported_fields = SUPPORTED_FIELDS

    def __init__(self, api: Api, *, stream: bool = False, reject: bool = False) -> None:
        self._api = api
        self._stream = stream
        self._reject = reject

    def decode_request(self, wire: bytes | Mapping[str, Any]) -> GeminiRequest:
        """`model` holds what the body says, which over HTTP is seldom anything: the path names the model."""
        decoded = decode_request(wire, self._api, reject=self._reject)
        decoded.stream = self._stream
        return decoded

    def decode_count(self, wire: bytes | Mapping[str, Any]) -> GeminiRequest:
        """The request whose tokens countTokens counts."""
        return decode_count(wire, self._api, reject=self._reject)

    def encode_completion(self, completion: v1.Completion, decoded: DecodedRequest) -> Wire:
        return encode_completion(completion, self._api, thoughts=_shows_thoughts(decoded))

    def event_encoder(self, decoded: DecodedRequest) -> ObjectEncoder:
        return ObjectEncoder(self._api, thoughts=_shows_thoughts(decoded))

    def encode_error(self, error: CompletionError, call_id: str) -> HttpErrorResponse:
        return encode_error(in_vendor_terms(error), call_id)


class SseDialect:
    """Over HTTP, streams as server-sent events. Clients bear no comments, names of events or end marks among them."""

    supported_fields = SUPPORTED_FIELDS
    sign_of_life = b"\n"
    content_type = "text/event-stream"
    opening = b""

    def __init__(self, api: Api, *, stream: bool = False, reject: bool = False) -> None:
        self._objects = ObjectDialect(api, stream=stream, reject=reject)

    def decode_request(self, wire: bytes) -> GeminiRequest:
        return self._objects.decode_request(wire)

    def decode_count(self, wire: bytes) -> GeminiRequest:
        """The request whose tokens countTokens counts."""
        return self._objects.decode_count(wire)

    def encode_completion(self, completion: v1.Completion, decoded: DecodedRequest) -> bytes:
        return orjson.dumps(self._objects.encode_completion(completion, decoded))

    def event_encoder(self, decoded: DecodedRequest) -> LineEncoder:
        return LineEncoder(self._objects.event_encoder(decoded))

    def encode_error(self, error: CompletionError, call_id: str) -> HttpErrorResponse:
        return self._objects.encode_error(error, call_id)


class ArrayDialect(SseDialect):
    """Over HTTP, streams as one JSON array, element by element."""

    content_type = "application/json"
    opening = b"["

    def event_encoder(self, decoded: DecodedRequest) -> LineEncoder:
        return ElementEncoder(self._objects.event_encoder(decoded))


class LineEncoder:
    """Each object as a server-sent event."""

    def __init__(self, objects: ObjectEncoder) -> None:
        self._objects = objects

    def feed(self, event: v1.CompletionEvent) -> Iterable[bytes]:
        return [self._piece(piece) for piece in self._objects.feed(event)]

    def end(self) -> Iterable[bytes]:
        return [self._piece(piece) for piece in self._objects.end()]

    def fail(self, error: CompletionError, call_id: str) -> Iterable[bytes]:
        return (self._piece(error_tree(in_vendor_terms(error), call_id)),)

    def _piece(self, piece: Wire) -> bytes:
        encoded = orjson.dumps(piece)
        if not encoded.isascii():
            for mark, escaped in _SEPARATORS:
                encoded = encoded.replace(mark, escaped)
        return b"data: " + encoded + b"\n\n"


class ElementEncoder(LineEncoder):
    """Each object as an element of an array whose bracket is already there."""

    def __init__(self, objects: ObjectEncoder) -> None:
        super().__init__(objects)
        self._separator = b""

    def end(self) -> Iterable[bytes]:
        return [*super().end(), b"]"]

    def fail(self, error: CompletionError, call_id: str) -> Iterable[bytes]:
        return ()  # an error among the elements would be read as an empty answer: the connection breaks instead

    def _piece(self, piece: Wire) -> bytes:
        encoded = self._separator + orjson.dumps(piece)
        self._separator = b",\r\n"
        return encoded


def _shows_thoughts(decoded: DecodedRequest) -> bool:
    return isinstance(decoded, GeminiRequest) and decoded.thoughts
