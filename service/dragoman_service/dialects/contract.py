"""What a dialect is: two pure codecs between one vendor's wire format and the messages of dragoman.v1.

A frontend serves a `ServerDialect`, a provider calls its upstream through a `ClientDialect`. Both are structural: an
implementation inherits nothing. `dragoman_service.testing.DialectLaws` tests a pair of them against each other.

Neither side does I/O, keeps state between requests, or knows how bytes are framed by gRPC or HTTP. A *piece* is what
travels in one step: `bytes` for a dialect over HTTP, where the network may cut and join pieces at will, or one protobuf
message for a dialect over gRPC, which keeps messages whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from dragoman import v1

from dragoman_service.errors import CompletionError

RequestIn = TypeVar("RequestIn", contravariant=True)
RequestOut = TypeVar("RequestOut", covariant=True)
PieceIn = TypeVar("PieceIn", contravariant=True)
PieceOut = TypeVar("PieceOut", covariant=True)
ErrorIn = TypeVar("ErrorIn", contravariant=True)
ErrorOut = TypeVar("ErrorOut", covariant=True)


class IncompleteAnswerError(Exception):
    """The pieces ended before the answer did. The provider decides what that means to its caller."""


@dataclass(slots=True)
class DecodedRequest:
    """A request as a server dialect decoded it. A dialect whose answers depend on more may subclass it."""

    request: v1.CompletionRequest = field(default_factory=v1.CompletionRequest)
    """`model` holds the name as the caller sent it."""
    stream: bool = False
    """The caller asked for the stream delivery, otherwise for the complete one."""
    include_usage: bool = False
    """A stream ends with the token usage. Dialects that always send usage ignore it."""
    warnings: list[v1.Warning] = field(default_factory=list)
    """What the dialect left out, because no field stands for it. `field` is the caller's name of it."""


@dataclass(frozen=True, slots=True)
class HttpErrorResponse:
    """An error on the wire of a dialect over HTTP. Header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class EventEncoder(Protocol[PieceOut]):
    """Encodes the events of one streamed completion. Use one instance for one stream."""

    def feed(self, event: v1.CompletionEvent) -> Iterable[PieceOut]:
        """The pieces to send for `event`, none if the dialect does not report it.

        Takes every event of a stream in order: `started`, deltas, `safety`, `citations`, `choice_finished`, `usage`,
        `retracted`, `finished`.
        Raises CompletionError if the stream cannot go on, such as for `retracted` after text was sent in a dialect that
        cannot take text back.
        """
        ...

    def end(self) -> Iterable[PieceOut]:
        """The last pieces of a stream that succeeded.

        Call it once, after the last event. Raises PROVIDER_STREAM_BROKEN if no event was `finished` with a completion.
        """
        ...

    def fail(self, error: CompletionError, call_id: str) -> Iterable[PieceOut]:
        """The last pieces of a stream that fails with `error` after its first piece.

        None if the dialect reports errors outside the stream, as gRPC does in its status.
        """
        ...


class ServerDialect(Protocol[RequestIn, PieceOut, ErrorOut]):
    """The server's side of a dialect: decodes requests, encodes answers."""

    @property
    def supported_fields(self) -> Sequence[str]:
        """The optional request fields that requests of this dialect can express, as in `Model.supported_fields`."""
        ...

    def decode_request(self, wire: RequestIn) -> DecodedRequest:
        """Every parameter is decoded, refused by its name, or left out with a warning: none is ignored silently.

        Raises CompletionError: MALFORMED_REQUEST if `wire` cannot be parsed, INVALID_FIELD for a wrong value, under the
        caller's name of the parameter.
        """
        ...

    def encode_completion(self, completion: v1.Completion, decoded: DecodedRequest) -> PieceOut:
        """The complete answer to `decoded`. Raises CompletionError if the dialect cannot express it."""
        ...

    def event_encoder(self, decoded: DecodedRequest) -> EventEncoder[PieceOut]:
        """An encoder for the streamed answer to `decoded`."""
        ...

    def encode_error(self, error: CompletionError, call_id: str) -> ErrorOut:
        """The error in place of an answer. It names the caller's parameters, and holds `call_id` for support."""
        ...


class EventDecoder(Protocol[PieceIn]):
    """Decodes one answer, streamed or complete. Use one instance for one answer."""

    @property
    def ended(self) -> bool:
        """Every choice has ended, so that only usage may follow. From here on a lost connection is not a failure."""
        ...

    @property
    def over(self) -> bool:
        """The upstream has said that no more pieces follow."""
        ...

    def feed(self, piece: PieceIn) -> Iterable[v1.CompletionEvent]:
        """The events that `piece` completes: deltas, findings, `choice_finished` and `usage`. None of them is empty.

        Bytes may be cut anywhere, also within a character. A complete response is accepted as a single piece. Raises
        CompletionError: PROVIDER_MALFORMED for a piece that makes no sense, or the error that the upstream reports in
        place of a piece. Events of the same piece that come before the error are yielded before it is raised.
        """
        ...

    def end(self) -> Iterable[v1.CompletionEvent]:
        """The last events, once no more pieces come. Raises IncompleteAnswerError if the answer lacks its end."""
        ...


class ClientDialect(Protocol[RequestOut, PieceIn, ErrorIn]):
    """The client's side of a dialect: encodes requests, decodes answers."""

    @property
    def supported_fields(self) -> Sequence[str]:
        """The optional request fields that it can encode: the `Model.supported_fields` of the provider's models."""
        ...

    def encode_request(self, request: v1.CompletionRequest) -> RequestOut:
        """A request for a streamed answer; `model` holds the upstream's name of the model.

        Raises CompletionError: INVALID_FIELD, or UNSUPPORTED_FIELD for what the dialect cannot express.
        """
        ...

    def event_decoder(self, request: v1.CompletionRequest) -> EventDecoder[PieceIn]:
        """A decoder for the answer to `request`."""
        ...

    def decode_error(self, wire: ErrorIn) -> CompletionError:
        """The error that came in place of an answer.

        Its message holds no more of the upstream's text than a caller may see: one line, shortened, without secrets.
        """
        ...
