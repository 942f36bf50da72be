"""Decompresses bodies of upstreams that compress them though nobody asked for that, as some gateways do."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from dragoman_service.errors import malformed_answer
from dragoman_service.providers.upstream.connection import HttpError

ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_SLICE = 64 * 1024  # bytes that are decompressed at a time
# An answer of JSON texts is compressed to a tenth, and a body of zeros to a thousandth.
_MOST_RATIO = 200
_FREE = 1024 * 1024  # bytes before the ratio counts


async def decompressed(chunks: AsyncIterator[bytes], encoding: str) -> AsyncGenerator[bytes]:
    """The content of a body in this encoding, each piece as soon as it has come.

    Raises what `chunks` raises, HttpError if the content breaks off, and PROVIDER_MALFORMED if it cannot be
    decompressed or is far larger than its body.
    """
    body = _Body(encoding)
    async for chunk in chunks:
        for piece in body.feed(chunk):
            yield piece
            await asyncio.sleep(0)  # one chunk may hold very many pieces
    if not body.ended:
        if not body.size:
            raise malformed_answer("compressed its answer in a way that cannot be read")
        raise HttpError("the compressed body breaks off", connected=True)


class _Body:
    """The state of one body. It may have several gzip members."""

    def __init__(self, encoding: str) -> None:
        self._deflate = encoding == "deflate"
        self._unpacker = None if self._deflate else zlib.decompressobj(wbits=31)
        self._received = 0
        self.size = 0
        """Bytes of content so far."""

    @property
    def ended(self) -> bool:
        return self._unpacker is None or self._unpacker.eof or not self._received

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self._received += len(chunk)
        try:
            while chunk:
                if self._unpacker is None:  # servers call both formats deflate; a zlib header is divisible by 31
                    zlib_header = chunk[0] & 15 == 8 and (len(chunk) < 2 or (chunk[0] * 256 + chunk[1]) % 31 == 0)
                    self._unpacker = zlib.decompressobj(wbits=15 if zlib_header else -15)
                elif self._unpacker.eof:
                    if self._deflate:
                        return
                    self._unpacker = zlib.decompressobj(wbits=31)
                piece = self._unpacker.decompress(chunk, _SLICE)
                chunk = self._unpacker.unused_data if self._unpacker.eof else self._unpacker.unconsumed_tail
                if piece:
                    self._count(len(piece))
                    yield piece
                elif not self._unpacker.eof and not chunk:
                    return
        except zlib.error:
            raise malformed_answer("compressed its answer in a way that cannot be read") from None

    def _count(self, size: int) -> None:
        self.size += size
        if self.size > _FREE and self.size > _MOST_RATIO * self._received:
            raise malformed_answer("sent a compressed answer that is far larger than its body")
