"""The forms of a stream: server-sent events, a JSON object a line, and Connect's own in JSON or in binary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import orjson
from dragoman import v1

from dragoman_service.dialects.connect.envelopes import END, envelope
from dragoman_service.dialects.connect.errors import error_tree, trailers_of
from dragoman_service.dialects.message_json import encode_message
from dragoman_service.errors import CompletionError

SSE, LINES = "text/event-stream", "application/x-ndjson"
CONNECT_JSON, CONNECT_PROTO = "application/connect+json", "application/connect+proto"


class Form(Protocol):
    """How the events of a stream are written."""

    content_type: str
    sign_of_life: bytes
    """What readers take for no event. Empty: the form has nothing of the kind."""
    always_begins: bool
    """An error before the first event is part of the stream, instead of a response with a status of its own."""

    def event(self, event: v1.CompletionEvent | bytes) -> bytes:
        """One event, which may be serialized already."""
        ...

    def end(self) -> bytes:
        """The end of a stream that succeeded, if it has one of its own."""
        ...

    def fail(self, error: CompletionError, call_id: str) -> list[bytes]:
        """The end of a stream that failed."""
        ...


class ServerSentEvents:
    """The id of an event is its sequence number. An error is an event named `error`."""

    content_type = SSE
    sign_of_life = b": \n\n"
    always_begins = False

    def event(self, event: v1.CompletionEvent | bytes) -> bytes:
        message = _message(event)
        return b"id: %d\ndata: %b\n\n" % (message.sequence, encode_message(message))

    def end(self) -> bytes:
        return b""

    def fail(self, error: CompletionError, call_id: str) -> list[bytes]:
        return [b"event: error\ndata: %b\n\n" % orjson.dumps(error_tree(error, call_id))]


class Lines:
    """An error is a line with the only field `error`."""

    content_type = LINES
    sign_of_life = b'{"heartbeat":{}}\n'
    always_begins = False

    def event(self, event: v1.CompletionEvent | bytes) -> bytes:
        return encode_message(_message(event)) + b"\n"

    def end(self) -> bytes:
        return b""

    def fail(self, error: CompletionError, call_id: str) -> list[bytes]:
        return [orjson.dumps({"error": error_tree(error, call_id)}) + b"\n"]


class Envelopes:
    """Connect's own form. The last envelope says how the stream ended."""

    sign_of_life = b""
    always_begins = True

    def __init__(self, *, binary: bool) -> None:
        self.content_type = CONNECT_PROTO if binary else CONNECT_JSON
        self._binary = binary

    def event(self, event: v1.CompletionEvent | bytes) -> bytes:
        if self._binary:
            return envelope(event if isinstance(event, bytes) else event.SerializeToString())
        return envelope(encode_message(_message(event)))

    def end(self) -> bytes:
        return envelope(b"{}", END)

    def fail(self, error: CompletionError, call_id: str) -> list[bytes]:
        metadata = {name: [value] for name, value in trailers_of(error).items()}
        return [envelope(orjson.dumps({"error": error_tree(error, call_id), "metadata": metadata}), END)]


CONNECT: Mapping[str, Form] = {CONNECT_JSON: Envelopes(binary=False), CONNECT_PROTO: Envelopes(binary=True)}
"""Connect's forms by the content type of the request, which the response has too."""


def form_of(content_type: str, accept: str) -> Form:
    """The form for a request of that type whose header `Accept` has that value: SSE if neither says otherwise."""
    return CONNECT.get(content_type) or (Lines() if LINES in accept.lower() else ServerSentEvents())


def _message(event: v1.CompletionEvent | bytes) -> v1.CompletionEvent:
    return v1.CompletionEvent.FromString(event) if isinstance(event, bytes) else event
