"""HTTP to an engine that may be restarting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from dragoman_service.providers.upstream.connection import UNLIMITED, HttpAnswer, HttpError, HttpStream
from dragoman_service.providers.upstream.http import HttpClient

T = TypeVar("T")
_RETRY_PAUSE = 0.05  # seconds after a refused connection, because the end of an engine is noticed a little late
_SUCCESSION = 5.0  # seconds to wait for the successor of an engine that seems to have died
Life = tuple[int, int]


class Engine(Protocol):
    """An engine that this process or another one keeps running."""

    @property
    def socket(self) -> Path:
        """The unix socket that it answers on, also after a restart."""
        ...

    @property
    def available(self) -> bool:
        """The last health check succeeded, and it does not stand still."""
        ...

    @property
    def silent_since(self) -> float | None:
        """Loop time since when it gives no sign of life; None if it does. It stays as it is until the next one."""
        ...

    async def ready(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Whether it answers now, or within `timeout` seconds."""
        ...


class EngineHttp:
    """`Http` that waits up to `ready_timeout` seconds for `engine`, and repeats requests that did not reach it.

    GET and POST are also repeated, once, if the engine had accepted them before it died. A stream is not, because it
    may be what killed the engine: `attempts` decides that.
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
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        limit: AbstractContextManager[None] = UNLIMITED,
    ) -> AsyncIterator[HttpStream]:
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            with limit:
                response = await self._send(lambda: enter(self._http.stream(path, body, headers)), 0)
            yield response

    async def _send(self, send: Callable[[], Awaitable[T]], repeats: int = 1) -> T:
        """Sends a request, again at most `repeats` times if the engine dies with it."""
        clock = asyncio.get_running_loop().time
        end = clock() + self._ready_timeout
        accepted = 0
        while await self._engine.ready(end - clock()):
            life = life_of(self._engine)
            try:
                return await send()
            except HttpError as failure:
                accepted += failure.connected
                if accepted > repeats or clock() > end:
                    raise
                if failure.connected:
                    await successor(self._engine, life)
            await asyncio.sleep(_RETRY_PAUSE)
        raise HttpError("the engine does not answer", connected=False)


def life_of(engine: Engine) -> Life | None:
    """What tells an engine from the one before it: its socket. None between two of them."""
    try:
        found = engine.socket.stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns


async def successor(engine: Engine, life: Life | None) -> None:
    """Waits until the engine of that life has been replaced, because a dying one accepts requests for a moment."""
    end = asyncio.get_running_loop().time() + _SUCCESSION
    while life_of(engine) == life and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - it is a file
        await asyncio.sleep(_RETRY_PAUSE)
