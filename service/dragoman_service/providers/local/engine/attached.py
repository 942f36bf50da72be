"""An engine that another process keeps alive: seen from one of those that share it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dragoman_service.providers.local.engine.process import EngineError, health

_WAIT = 300.0  # seconds for an engine that is just being started again
_LOOK = 1.0  # seconds between two looks whether it still answers, while nobody calls
_LOOK_DOWN = 0.05  # and whether it answers again


class AttachedEngine:
    """See `client.Engine`. Use `attached_engine`."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._available = False

    @property
    def socket(self) -> Path:
        return self._socket

    @property
    def available(self) -> bool:
        return self._available

    async def ready(self, timeout: float) -> bool:  # noqa: ASYNC109 - the caller asks for an answer in that time
        # Looks anew for each call, which costs less than a millisecond: one that has just died, or loads its weights
        # again, would refuse the call.
        end = asyncio.get_running_loop().time() + timeout
        while not await self._answers():
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(_LOOK_DOWN)
        return True

    async def watch(self) -> None:
        """Looks whether it answers, until it is cancelled."""
        while True:
            pause = _LOOK if await self._answers() else _LOOK_DOWN
            await asyncio.sleep(pause)

    async def _answers(self) -> bool:
        healthy = await health(self._socket)
        if healthy is not None:  # what is too busy to tell is as it was
            self._available = healthy
        return self._available


@asynccontextmanager
async def attached_engine(socket: Path) -> AsyncIterator[AttachedEngine]:
    """The engine on `socket`, once it answers. Raises EngineError if it does not."""
    engine = AttachedEngine(socket)
    if not await engine.ready(_WAIT):
        raise EngineError(f"No engine answers on {socket}.")
    watch = asyncio.create_task(engine.watch(), name="engine watch")
    try:
        yield engine
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
