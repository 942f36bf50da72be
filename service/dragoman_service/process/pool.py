"""The workers: started together, each started again when it dies, told to end together."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog

from dragoman_service.process.child import Child, WorkerError, exit_code, how
from dragoman_service.process.worker_spec import Job
from dragoman_service.settings.errors import SettingsError
from dragoman_service.telemetry.workers import forget

BACKOFF = 0.1  # seconds before the first restart; each one after it doubles them
LONGEST_BACKOFF = 30.0
STABLE = 60.0  # seconds up after which a death counts as the first again
START_SPARE = 60.0  # seconds that a start may take, besides the opening of plugins
LAST_WORDS = 5.0  # seconds to end after the last signal

log = structlog.get_logger(__name__)


class Worker:
    """The processes of one worker, one after the other."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._child: Child | None = None
        self._serves = False
        self._leaving = asyncio.Event()
        self._patience = job.settings.plugins.open_timeout + START_SPARE

    async def start(self) -> None:
        """Returns once it serves. Raises SettingsError and WorkerError; it is ended then."""
        child = self._child = await Child.spawn(self._job)
        try:
            if self._leaving.is_set():
                child.kill()
            async with asyncio.timeout(self._patience):
                await child.serving()
        except TimeoutError:
            child.kill()
            raise WorkerError(f"did not serve within {self._patience:g} s", 1) from None
        except BaseException:
            child.kill()
            raise
        self._serves = True
        log.info("worker.started", worker=self._job.worker, pid=child.pid)

    async def keep(self) -> int:
        """Starts it again whenever it has ended; returns the exit code of the process that was told to end."""
        delay = BACKOFF
        while True:
            began = time.monotonic()
            code = await self.ended()
            served, self._serves = self._serves, False
            forget(self._job.metrics, self._job.worker)
            if self._leaving.is_set():
                return exit_code(code) if served else 0
            if time.monotonic() - began > STABLE:
                delay = BACKOFF
            log.error("worker.ended", worker=self._job.worker, reason=how(code), restart_seconds=delay)
            delay = await self._restart(delay)

    async def _restart(self, delay: float) -> float:
        """Returns the seconds to wait before the next restart, once it serves or is to end."""
        while not await self._told_to_end(delay):
            delay = min(delay * 2, LONGEST_BACKOFF)
            try:
                await self.start()
            except (SettingsError, WorkerError) as error:
                log.error("worker.not_started", worker=self._job.worker, reason=str(error), restart_seconds=delay)
            else:
                break
        return delay

    async def _told_to_end(self, patience: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._leaving.wait(), patience)
        return self._leaving.is_set()

    async def ended(self) -> int:
        """Waits for the end of its process."""
        return await self._child.ended() if self._child else 0

    def tell(self, number: signal.Signals) -> None:
        """Makes it act as on a signal, and not come back. One that does not serve yet is ended at once."""
        self._leaving.set()
        if self._child and self._serves:
            self._child.tell(number)
        else:
            self.kill()

    def kill(self) -> None:
        """Ends its process at once."""
        if self._child:
            self._child.kill()


class Crew:
    """All workers."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._workers = [Worker(job) for job in jobs]
        self._keepers: list[asyncio.Task[int]] = []

    async def start(self) -> None:
        """Returns once all serve. Raises what `Worker.start` does as soon as one cannot be started."""
        starts = [asyncio.create_task(worker.start()) for worker in self._workers]
        try:
            await asyncio.gather(*starts)
        finally:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
        self._keepers = [asyncio.create_task(worker.keep()) for worker in self._workers]

    async def obey(self, signals: asyncio.Queue[signal.Signals], patience: float) -> int:
        """Passes signals on until all have ended; returns the worst exit code.

        The first one drains, for `patience` seconds at the most; the second ends everything at once.
        """
        gone = asyncio.gather(*self._keepers)
        if number := await _signalled(signals, gone, None):
            self._tell(number)
            number = await _signalled(signals, gone, patience)
        if not gone.done():
            self._tell(number or signal.SIGTERM)
            await asyncio.wait({gone}, timeout=LAST_WORDS)
            self._kill()
        return max(await gone)

    async def end(self) -> None:
        """Ends all at once."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._kill()
        await asyncio.gather(*(worker.ended() for worker in self._workers))

    def _tell(self, number: signal.Signals) -> None:
        for worker in self._workers:
            worker.tell(number)

    def _kill(self) -> None:
        for worker in self._workers:
            worker.kill()


async def _signalled(
    signals: asyncio.Queue[signal.Signals], gone: asyncio.Future[list[int]], patience: float | None
) -> signal.Signals | None:
    """The next signal; None if all are gone before it, or `patience` seconds are over."""
    heard = asyncio.create_task(signals.get())
    either: set[asyncio.Future[Any]] = {gone, heard}
    await asyncio.wait(either, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    heard.cancel()
    return heard.result() if heard.done() else None
