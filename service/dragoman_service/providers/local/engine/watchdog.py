"""Notices an engine that stands still. Its health check does not tell: another thread of the engine answers that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dragoman_service.providers.local.engine.process import health

LEAST_LIMIT = 5.0  # seconds of processor time that one step may take
_PER_GIGABYTE = 20.0  # more of them for each gigabyte of weights; reading a batch of a prompt takes about three
_PER_SLOT = 1.25
_WALL = 12  # an engine that uses no processor time has this many times longer, because the machine may be busy
_LOOK = 0.25  # seconds between two looks at a question that has no answer
_PAUSE = 1.0  # seconds from an answer to the next question


def limit_of(weights: Path, slots: int, wanted: float | None) -> float:
    """The seconds of processor time that a step may take: `wanted`, or what fits the weights and the slots.

    A step is a batch of a prompt, or a token of each slot, which takes about half a second with the largest grammars.
    """
    fitting = max(weights.stat().st_size / 1e9 * _PER_GIGABYTE, slots * _PER_SLOT)
    return max(LEAST_LIMIT, fitting) if wanted is None else wanted


class Watchdog:
    """Asks the engine on `socket` again and again for its metrics, which the loop that makes all answers has to give.

    A question may also wait for a thread of the engine's HTTP server, which is nothing to worry about. Time counts from
    the moment when the health check, asked later, is answered: then a thread has taken the question to the loop.

    `spent` returns the seconds of processor time that the engine has used so far. `on_stall` is called once half of
    `limit` is spent on one question, and with False if it is answered after that; `on_stuck` is called at the limit.
    """

    def __init__(
        self,
        socket: Path,
        limit: float,
        spent: Callable[[], float],
        on_stall: Callable[[bool], None],
        on_stuck: Callable[[], None] = lambda: None,
    ) -> None:
        self.silent_since: float | None = None
        """Loop time of a question that has had no answer for a moment."""
        self._socket, self._limit, self._spent = socket, limit, spent
        self._on_stall, self._on_stuck = on_stall, on_stuck

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            answered = asyncio.create_task(ask_loop(self._socket), name="engine question")
            try:
                if await self._wait(answered):
                    self.silent_since = None
            finally:
                answered.cancel()
            await asyncio.sleep(_PAUSE)

    async def _wait(self, answered: asyncio.Task[bool]) -> bool:
        """Waits for the end of the question. Returns whether it was answered."""
        taken = None
        stalled = stuck = False
        while not (await asyncio.wait({answered}, timeout=_LOOK))[0]:
            if taken is None:
                taken = self._now() if await health(self._socket) else None
                continue
            self.silent_since = taken[0]
            share = self._share(taken)
            if share >= 0.5 and not stalled:
                stalled = True
                self._on_stall(True)
            if share >= 1 and not stuck:
                stuck = True
                self._on_stuck()
        if stalled and answered.result():
            self._on_stall(False)
        return answered.result()

    def _now(self) -> tuple[float, float]:
        return asyncio.get_running_loop().time(), self._spent()

    def _share(self, begin: tuple[float, float]) -> float:
        """The share of the limit that is spent since `begin`."""
        now = self._now()
        return max(now[1] - begin[1], (now[0] - begin[0]) / _WALL) / self._limit


async def ask_loop(socket: Path) -> bool:
    """Waits, as long as it takes, for an answer of the engine's loop. False: the engine ended or does not listen."""
    with suppress(OSError):
        reader, writer = await asyncio.open_unix_connection(str(socket))
        try:
            writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
            return b" 200 " in await reader.readline()
        finally:
            writer.close()
    return False
