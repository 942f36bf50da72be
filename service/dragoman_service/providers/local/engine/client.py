"""HTTP to an engine that may be restarting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from dragoman_service.providers.upstream.connection import HttpAnswer, HttpError, HttpStream
from dragoman_service.providers.upstream.http import HttpClient

T = TypeVar("T")
_RETRY_PAUSE = 0.05  # seconds after a refused connection, because the end of an engine is noticed a little late


class Engine(Protocol):
    """An engine that this process or another one keeps running."""

    @property
    def socket(self) -> Path:
        """The unix socket that it answers on, also after a restart."""
        ...

    @property
    def available(self) -> bool:
        """The last health check succeeded."""
        ...

    async def ready(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Whether it answers now, or within `timeout` seconds."""
        ...


class EngineHttp:
    """`Http` that waits up to `ready_timeout` seconds for `engine`, and repeats requests that did not reach it.

    A request that the engine accepted before it died without an answer is repeated once, because in most cases the
    engine was dying already.
    """

    def __init__(self, http: HttpClient, engine: Engine, ready_timeout: float) -> None:
        self._http = http
        self._engine = engine
        self._ready_timeout = ready_timeout

    async def get(self, path: str) -> HttpAnswer:
        """See `Http`."""
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
        accepted = 0
        while await self._engine.ready(end - clock()):
            try:
                return await send()
            except HttpError as failure:
                accepted += failure.connected
                if accepted > 1 or clock() > end:
                    raise
            await asyncio.sleep(_RETRY_PAUSE)
        raise HttpError("the engine does not answer", connected=False)
