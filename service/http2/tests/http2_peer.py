"""The client's end of a session: PyPI's h2 for what a client does, frames made by hand for what none should do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dragoman_http2 import Session, SessionError
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event as PeerEvent
from h2.events import StreamReset
from hpack import Encoder
from hyperframe.frame import DataFrame, Frame, HeadersFrame, SettingsFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OPENING = PREFACE + SettingsFrame(0).serialize()
REQUEST_HEADERS = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/any.Service/Any"),
    (b":authority", b"here"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
]
HEADERS = [(b":status", b"200"), (b"content-type", b"application/grpc")]
TRAILERS = [(b"grpc-status", b"0")]

Fields = Iterable[tuple[bytes, bytes]]


class Client:
    """A client without I/O on a session; `exchange` moves bytes both ways until neither side has any."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.h2.initiate_connection()
        self.events: list[Any] = []
        self.seen: list[PeerEvent] = []
        self.exchange()

    def open(self, *, more: Fields = (), end: bool = False) -> int:
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, [*REQUEST_HEADERS, *more], end_stream=end)
        return stream

    def unary(self, body: bytes = b"12345") -> int:
        """Sends a request with a body that fits into the windows."""
        stream = self.open()
        self.h2.send_data(stream, body, end_stream=True)
        return stream

    def exchange(self, limit: int = 65536) -> list[Any]:
        """The events of the session."""
        found: list[Any] = []
        while True:
            sent, answered = self.h2.data_to_send(), self.session.take(limit)
            if not sent and not answered:
                break
            found += self.session.receive(sent)
            self.see(answered)
        found += self.session.events()
        self.events += found
        return found

    def see(self, data: bytes) -> list[PeerEvent]:
        events = self.h2.receive_data(data)
        self.seen += events
        return events

    def of(self, kind: type[PeerEvent], stream: int) -> list[Any]:
        """What the client has seen on a stream."""
        return [event for event in self.seen if isinstance(event, kind) and getattr(event, "stream_id", 0) == stream]

    def resets(self) -> list[int]:
        return [event.stream_id for event in self.seen if isinstance(event, StreamReset)]


def frames(*parts: Frame | bytes) -> bytes:
    return b"".join(part if isinstance(part, bytes) else part.serialize() for part in parts)


def block(fields: Fields) -> bytes:
    """A header list in HPACK that does not depend on those before it."""
    return Encoder().encode(list(fields))


def head(stream: int, *, end: bool = True, fields: Fields = REQUEST_HEADERS) -> HeadersFrame:
    return HeadersFrame(stream, block(fields), flags=["END_HEADERS", *(["END_STREAM"] if end else [])])


def body(stream: int, data: bytes, *, end: bool = True) -> DataFrame:
    return DataFrame(stream, data, flags=["END_STREAM"] if end else [])


def opened(**options: int) -> Session:
    """A session that has got the client's preface and SETTINGS, and has written its own."""
    session = Session(**options)
    session.receive(OPENING)
    session.take()
    return session


def outcome(session: Session, data: bytes) -> tuple[list[Any], SessionError | None]:
    """The events of some bytes, and how the session failed, if it did."""
    try:
        return session.receive(data), None
    except SessionError as error:
        return session.events(), error


def written(session: Session) -> list[Frame]:
    """The frames that the session has to write; bodies are parsed, header lists are not."""
    data = b"".join(iter(session.take, b""))
    found = []
    while data:
        frame, length = Frame.parse_frame_header(memoryview(data[:9]))
        frame.parse_body(memoryview(data[9 : 9 + length]))
        found.append(frame)
        data = data[9 + length :]
    return found
