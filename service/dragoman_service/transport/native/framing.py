"""gRPC's messages in the bytes of a stream: a flag, four bytes of length, and the message, which may be compressed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import grpc

PREFIX = 5  # bytes before each message
_WINDOW = {"gzip": 31, "deflate": zlib.MAX_WBITS}  # zlib's names for the two formats
_prefix = struct.Struct(">BI").pack
ENCODINGS = ("identity", *_WINDOW)


class MessageError(Exception):
    """What ends the call: `code` and a text for its caller."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def frame(message: bytes) -> bytes:
    """The message as it is sent, not compressed."""
    return _prefix(0, len(message)) + message


def compressed_frame(message: bytes, encoding: str) -> bytes:
    """The message as it is sent, in one of ENCODINGS."""
    if encoding not in _WINDOW:
        return frame(message)
    packer = zlib.compressobj(wbits=_WINDOW[encoding])
    packed = packer.compress(message) + packer.flush()
    return _prefix(1, len(packed)) + packed


class Incoming:
    """The messages of one request, as they come. `encoding` is one of ENCODINGS, `limit` is in bytes of a message."""

    __slots__ = ("_buffer", "_limit", "_unpack", "messages")

    def __init__(self, encoding: str, limit: int) -> None:
        self.messages: list[bytes] = []
        """Those that are complete."""
        self._buffer = bytearray()
        self._limit = limit
        self._unpack: Callable[[bytes], bytes] | None = None
        if encoding in _WINDOW:
            self._unpack = lambda packed: _unpacked(packed, _WINDOW[encoding], limit)

    @property
    def partial(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Takes bytes of the stream. Raises MessageError."""
        if not self._buffer and len(data) >= PREFIX and not data[0]:
            size = int.from_bytes(data[1:PREFIX], "big")
            if size == len(data) - PREFIX <= self._limit:  # as most calls are
                self.messages.append(data[PREFIX:])
                return
        buffer = self._buffer
        buffer += data
        begin = 0
        while len(buffer) - begin >= PREFIX:
            size = int.from_bytes(buffer[begin + 1 : begin + PREFIX], "big")
            if size > self._limit:
                raise _too_large(size, self._limit)
            end = begin + PREFIX + size
            if len(buffer) < end:
                break
            self._take(buffer[begin], bytes(memoryview(buffer)[begin + PREFIX : end]))
            begin = end
        del buffer[:begin]

    def _take(self, flag: int, message: bytes) -> None:
        if flag > 1:
            raise MessageError(grpc.StatusCode.INTERNAL, f"A message has the unknown flag {flag}.")
        if flag:
            if self._unpack is None:
                raise MessageError(grpc.StatusCode.INTERNAL, "A message is compressed, and grpc-encoding says how not.")
            message = self._unpack(message)
        self.messages.append(message)


def _unpacked(packed: bytes, window: int, limit: int) -> bytes:
    unpacker = zlib.decompressobj(window)
    try:
        message = unpacker.decompress(packed, limit + 1)
    except zlib.error:
        raise MessageError(grpc.StatusCode.INTERNAL, "A message cannot be decompressed.") from None
    if len(message) > limit:
        raise _too_large(len(message), limit)
    if not unpacker.eof or unpacker.unused_data:
        raise MessageError(grpc.StatusCode.INTERNAL, "A message cannot be decompressed.")
    return message


def _too_large(size: int, limit: int) -> MessageError:
    return MessageError(
        grpc.StatusCode.RESOURCE_EXHAUSTED, f"SERVER: Received message larger than max ({size} vs. {limit})"
    )
