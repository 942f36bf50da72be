"""Envelopes: how Connect frames the messages of a stream, five bytes before each."""

from __future__ import annotations

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.errors import CompletionError, malformed_request

END = 0b10
"""The flag of the last envelope, which holds the trailers and the error."""
_COMPRESSED = 0b01
_PREFIX = 5  # bytes: the flags, and the length in four bytes


def envelope(data: bytes, flags: int = 0) -> bytes:
    """`data` in an envelope."""
    return bytes((flags,)) + len(data).to_bytes(4) + data


def only_message(body: bytes) -> bytes:
    """The message of a request whose body is one envelope. Raises MALFORMED_REQUEST, and CAPABILITY_MISSING if it is
    compressed."""
    if len(body) < _PREFIX:
        raise malformed_request("The body of a stream's request must be one message in Connect's envelope.")
    flags, size = body[0], int.from_bytes(body[1:_PREFIX])
    if flags & _COMPRESSED:
        raise CompletionError(
            code_pb2.UNIMPLEMENTED,
            v1.ERROR_REASON_CAPABILITY_MISSING,
            "The service takes no compressed messages. Send them as they are.",
        )
    if flags or size != len(body) - _PREFIX:
        raise malformed_request("The body must be one message in Connect's envelope, and nothing else.")
    return body[_PREFIX:]
