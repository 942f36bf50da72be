"""An engine that another process runs, as seen by one of the processes that share it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dragoman_service.providers.local.engine.process import EngineError, health
from dragoman_service.providers.local.engine.watchdog import Watchdog

_START_TIMEOUT = 300.0  # seconds for an engine that is restarting
_POLL = 1.0  # seconds between two health checks while it answers
_POLL_DOWN = 0.05  # and while it does not


class AttachedEngine:
    """See `client.Engine`. Created by `attached_engine`."""

    def __init__(self, socket: Path, step_limit: float) -> None:
        self._socket = socket
        self._available = self._stalled = False
        # The process that owns the engine knows its processor time, and ends it. Here the clock on the wall must do.
        self._watchdog = Watchdog(socket, step_limit, time.monotonic, self._stall)

    @property
    def socket(self) -> Path:
        return self._socket

    @property
    def available(self) -> bool:
        return self._available and not self._stalled

    @property
    def silent_since(self) -> float | None:
        return self._watchdog.silent_since

    async def ready(self, timeout: float) -> bool:  # noqa: ASYNC109 - returns rather than raises
        # Checks again for each call, which takes less than a millisecond, because an engine that has just died or is
        # loading its weights would refuse the call.
        end = asyncio.get_running_loop().time() + timeout
        while not await self._answers():
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(_POLL_DOWN)
        return True

    async def watch(self) -> None:
        """Notices an engine that stands still, until it is cancelled."""
        await self._watchdog.run()

    async def poll(self) -> None:
        """Checks whether it answers, until it is cancelled."""
        while True:
            pause = _POLL if await self._answers() else _POLL_DOWN
            await asyncio.sleep(pause)

    async def _answers(self) -> bool:
        healthy = await health(self._socket)
        if healthy is not None:  # an engine that is too busy to answer keeps its state
            self._available = healthy
            self._stalled = self._stalled and healthy  # another process begins afresh
        return self.available

    def _stall(self, stalled: bool) -> None:
        self._stalled = stalled


@asynccontextmanager
async def attached_engine(socket: Path, step_limit: float) -> AsyncIterator[AttachedEngine]:
    """The engine on `socket`, as soon as it answers. Raises EngineError if it does not.

    `step_limit` is after how many seconds its owner restarts an engine that stands still.
    """
    engine = AttachedEngine(socket, step_limit)
    if not await engine.ready(_START_TIMEOUT):
        raise EngineError(f"No engine answers on {socket}.")
    tasks = [
        asyncio.create_task(engine.poll(), name="engine poll"),
        asyncio.create_task(engine.watch(), name="engine watchdog"),
    ]
    try:
        yield engine
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
