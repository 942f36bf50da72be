"""HTTP to an engine that may be starting again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from dragoman_service.providers.upstream.connection import HttpAnswer, HttpError, HttpStream
from dragoman_service.providers.upstream.http import HttpClient

T = TypeVar("T")
_AGAIN = 0.05  # seconds between a refused connection and the next try: an engine's end is noticed a little late


class Engine(Protocol):
    """An engine that somebody keeps alive: this process, or another one that shares it."""

    @property
    def socket(self) -> Path:
        """The unix socket that it answers on, also after it was started again."""
        ...

    @property
    def available(self) -> bool:
        """It answers, as far as is known."""
        ...

    async def ready(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Whether it answers now, or within `timeout` seconds."""
        ...


class EngineHttp:
    """`Http` that waits up to `ready_timeout` seconds for `engine`, and sends again what did not reach it.

    What an engine took and then died of without a word is sent again once: mostly it was dying already.
    """

    def __init__(self, http: HttpClient, engine: Engine, ready_timeout: float) -> None:
        self._http = http
        self._engine = engine
        self._ready_timeout = ready_timeout

    async def get(self, path: str) -> HttpAnswer:
        """Returns what is there."""
        return await self._send(lambda: self._http.get(path))

    async def post(self, path: str, body: bytes) -> HttpAnswer:
        return await self._send(lambda: self._http.post(path, body))

    @asynccontextmanager
    async def stream(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[HttpStream]:
        async with AsyncExitStack() as stack:
            yield await self._send(lambda: stack.enter_async_context(self._http.stream(path, body, headers)))

    async def _send(self, send: Callable[[], Awaitable[T]]) -> T:
        clock = asyncio.get_running_loop().time
        end = clock() + self._ready_timeout
        taken = 0
        while await self._engine.ready(end - clock()):
            try:
                return await send()
            except HttpError as failure:
                taken += failure.connected
                if taken > 1 or clock() > end:
                    raise
            await asyncio.sleep(_AGAIN)
        raise HttpError("the engine does not answer", connected=False)
