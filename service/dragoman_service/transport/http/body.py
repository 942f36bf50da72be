"""Reads the JSON body of a request, within limits for its size, its time and the number of its values."""

from __future__ import annotations

import asyncio
import codecs
import re

import structlog

from dragoman_service.engine.budget import Share
from dragoman_service.errors import malformed_request
from dragoman_service.timing.turns import Turns
from dragoman_service.transport.http.http1.decoding import inflater
from dragoman_service.transport.http.http1.parser import BadRequestError
from dragoman_service.transport.http.http1.request import Request
from dragoman_service.transport.status import MAX_VALUES, too_large, too_many_values

log = structlog.get_logger(__name__)
_COPIES = 2  # of a body: its bytes, and what is decoded from them
_SLICE = 16 * 1024  # bytes that are counted at a time: less than two milliseconds
_SHORT = 1024  # bytes that are counted at once, in some tens of microseconds
_IN_STRING = re.compile(rb'(?:[^"\\]+|\\.)*+', re.DOTALL)
_STRING = re.compile(rb'"(?:[^"\\]+|\\.)*+"', re.DOTALL)


async def read_body(
    request: Request,
    share: Share,
    turns: Turns,
    *,
    max_size: int,
    within: float,
    max_values: int | None = MAX_VALUES,
) -> bytes:
    """The body without a byte order mark. `max_size` is in bytes, `within` in seconds, `max_values` for JSON alone.

    Raises REQUEST_TOO_LARGE as soon as a limit is exceeded, OVERLOADED if `share` cannot grow, and MALFORMED_REQUEST.
    """
    if request.length > max_size:
        raise too_large(request.length, max_size)
    reading = _Reading(share, turns, max_size, max_values)
    try:
        if request.body.complete:
            await reading.read(request)
        else:
            async with asyncio.timeout(within):
                await reading.read(request)
    except TimeoutError:
        raise malformed_request(f"The body did not arrive within {within:g} s.") from None
    except BadRequestError as fault:
        if not request.body.broken:
            log.info("http.malformed", error=str(fault))
            request.body.ends(fault)
        raise malformed_request("The encoding of the body does not match its headers.") from None
    return b"".join(reading.pieces).removeprefix(codecs.BOM_UTF8)  # programs for Windows begin a text with one


class _Reading:
    """Gathers the `pieces` of a body, and counts what is in them. See `read_body`."""

    def __init__(self, share: Share, turns: Turns, max_size: int, max_values: int | None) -> None:
        self._share, self._turns = share, turns
        self._max_size, self._max_values = max_size, max_values
        self._size, self._values = 0, JsonValues()
        self.pieces: list[bytes] = []

    async def read(self, request: Request) -> None:
        coding = request.headers.get("content-encoding")
        unpacking = None if coding is None else inflater(coding)
        while data := await request.body.next():
            if unpacking is None:
                await self._add(data)
            else:
                for piece in unpacking.feed(data):
                    await self._add(piece)
        if unpacking is not None:
            unpacking.end()

    async def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._max_size:
            raise too_large(self._size, self._max_size)
        self._share.grow(_COPIES * len(piece))
        self.pieces.append(piece)
        if self._max_values is None:
            return
        for at in range(0, len(piece), _SLICE):
            self._values.feed(piece[at : at + _SLICE])
            if self._values.count > self._max_values:
                raise too_many_values(self._max_values)
            if self._size > _SHORT:
                await self._turns.next()


def check_values(body: bytes, max_values: int = MAX_VALUES) -> None:
    """Raises REQUEST_TOO_LARGE for a JSON text with more values."""
    values = JsonValues()
    values.feed(body)
    if values.count > max_values:
        raise too_many_values(max_values)


class JsonValues:
    """Counts the values of a JSON text that comes in pieces: one for each comma and bracket outside of strings."""

    def __init__(self) -> None:
        self.count = 0
        self._in_string = self._escaped = False

    def feed(self, piece: bytes) -> None:
        """Counts the values that begin in `piece`."""
        outside = _STRING.sub(b"", self._after_string(piece))
        begin = -1 if self._in_string else outside.find(b'"')
        if begin >= 0:
            self._in_string = True
            self._escaped = _ends_escaped(outside[begin + 1 :])
            outside = outside[:begin]
        self.count += outside.count(b",") + outside.count(b"[") + outside.count(b"{")

    def _after_string(self, piece: bytes) -> bytes:
        """What follows the string that `piece` begins in."""
        if not self._in_string or not piece:
            return piece
        rest = piece[1:] if self._escaped else piece
        found = _IN_STRING.match(rest)
        end = found.end() if found else 0
        self._in_string = end >= len(rest) or rest[end : end + 1] == b"\\"
        self._escaped = self._in_string and end < len(rest)
        return b"" if self._in_string else rest[end + 1 :]


def _ends_escaped(text: bytes) -> bool:
    """Whether the last byte of a string that goes on is a backslash that belongs to the next byte."""
    return (len(text) - len(text.rstrip(b"\\"))) % 2 == 1
