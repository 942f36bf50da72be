"""The interface to HTTP upstreams: a request body out, a response in, complete or as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Protocol

from dragoman_service.timing.holding import Holding

UNLIMITED: AbstractContextManager[None] = nullcontext()


class HttpError(Exception):
    """No response came, or it broke off.

    Not `connected`: the upstream has seen nothing of the request. `malformed`: what came is not HTTP.
    """

    def __init__(self, message: str, *, connected: bool, malformed: bool = False) -> None:
        super().__init__(message)
        self.connected = connected
        self.malformed = malformed


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class HttpStream:
    """A response whose body comes in chunks. Reading them raises HttpError if it breaks off."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]

    encoding: str = ""
    """How the chunks are compressed, if nothing here decompresses it."""

    ready: Callable[[], bytes | None] = lambda: None
    """The next chunk if it is there, None if one has to wait to know. Raises StopAsyncIteration at the end."""

    exhausted: Callable[[], bool] = lambda: False
    """Whether the body has been read to its end, if that is known without waiting."""

    hold: Callable[[Holding], None] = lambda holding: None
    """Has small reads held from now on, if what sends the chunks can."""

    @property
    def encoded(self) -> bool:
        """The chunks are compressed, though that was not requested."""
        return bool(self.encoding)

    async def read(self, most: int) -> bytes:
        """The rest of the body, cut after `most` bytes."""
        body = bytearray()
        async for chunk in self.chunks:
            body += chunk
            if len(body) >= most:
                break
        return bytes(body[:most])

    async def drain(self, within: float) -> None:
        """Reads the body to its end, so that the connection can be reused; gives up after `within` seconds."""
        with suppress(HttpError, TimeoutError):
            async with asyncio.timeout(within):
                async for _ in self.chunks:
                    pass


class Http(Protocol):
    """What a provider needs of HTTP. All methods raise HttpError; no status is an error here."""

    async def get(self, path: str) -> HttpAnswer:
        """Sends a GET request and returns the complete response."""
        ...

    async def post(self, path: str, body: bytes) -> HttpAnswer:
        """Sends JSON and returns the complete response."""
        ...

    def stream(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        limit: AbstractContextManager[None] = UNLIMITED,
    ) -> AbstractAsyncContextManager[HttpStream]:
        """Sends JSON, with `headers` in addition to the client's, and gives the response as it comes.

        `limit` bounds the wait for the head.

        Leaving the context closes the connection without waiting.
        """
        ...
