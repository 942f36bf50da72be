"""Unpacks bodies that came packed, a little at a time, so that a small body cannot become a large one at once."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from dragoman_service.transport.http.http1.parser import BadRequestError

_MOST = 64 * 1024  # bytes that are unpacked at a time
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS
_UNREADABLE = frozenset({"br", "zstd"})


class Inflater:
    """Unpacks gzip, or deflate with or without its header."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._unpack = zlib.decompressobj(_WITH_GZIP_HEADER) if gzip else None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` adds. Raises BadRequestError."""
        if self._unpack is None:
            headless = data[0] & 0xF != zlib.DEFLATED
            self._unpack = zlib.decompressobj(-zlib.MAX_WBITS if headless else zlib.MAX_WBITS)
        try:
            full = False  # there may be more without more data
            while data or full:
                if self._unpack.eof and not full:
                    self._unpack = self._next_part()
                piece = self._unpack.decompress(data, _MOST)
                full = len(piece) == _MOST
                data = self._unpack.unconsumed_tail or self._unpack.unused_data
                yield piece
        except zlib.error:
            raise BadRequestError("the body is not packed as it says") from None

    def end(self) -> None:
        """Raises BadRequestError if something is missing."""
        if self._unpack is not None and not self._unpack.eof:
            raise BadRequestError("the packed body is cut off")

    def _next_part(self) -> zlib._Decompress:
        """A file of gzip may have several parts."""
        if not self._gzip:
            raise BadRequestError("more follows the packed body")
        return zlib.decompressobj(_WITH_GZIP_HEADER)


def inflater(coding: str) -> Inflater | None:
    """For the value of Content-Encoding; None if the body is as it came. Raises BadRequestError."""
    name = coding.lower()
    if name in _UNREADABLE:
        raise BadRequestError("the content encoding is not known here")
    return Inflater(gzip=name == "gzip") if name in ("gzip", "deflate") else None
