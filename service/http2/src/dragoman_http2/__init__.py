"""A server-side HTTP/2 session without I/O, on nghttp2. The stub next to this file describes it."""

from dragoman_http2._session import (
    CLOSED,
    DATA,
    GOAWAY,
    NGHTTP2_VERSION,
    PONG,
    REQUEST,
    RESET,
    TRAILERS,
    WRITABLE,
    Session,
    SessionError,
)

__all__ = [
    "CLOSED",
    "DATA",
    "GOAWAY",
    "NGHTTP2_VERSION",
    "PONG",
    "REQUEST",
    "RESET",
    "TRAILERS",
    "WRITABLE",
    "Session",
    "SessionError",
]
