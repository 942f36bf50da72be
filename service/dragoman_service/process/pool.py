"""The worker pool: starts all workers, restarts each one that dies, and ends them together."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from dragoman_service.process.child import WorkerError, WorkerProcess, describe_exit, shell_code
from dragoman_service.process.signals import ServiceSignals
from dragoman_service.process.worker_spec import WorkerSpec
from dragoman_service.settings.errors import SettingsError
from dragoman_service.telemetry.workers import forget

BACKOFF = 0.1  # seconds before the first restart; doubled for each further one
LONGEST_BACKOFF = 30.0  # seconds
STABLE = 60.0  # seconds of uptime after which the backoff starts over
START_MARGIN = 60.0  # seconds that a start may take in addition to opening the plugins
STOPPED_CHECK = 0.5  # seconds between two looks whether a signal has stopped a worker
STOPPED_CHECKS = 4  # looks at a stopped worker after which it is replaced, because connections to it hang
STOP_GRACE = 5.0  # seconds to end after the last signal, before the process is killed

log = structlog.get_logger(__name__)


class Worker:
    """One worker: its current process, and the restarts."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._process: WorkerProcess | None = None
        self._is_serving = False
        self._stopping = asyncio.Event()
        self._start_timeout = spec.settings.plugins.open_timeout + START_MARGIN

    async def start(self, *, again: bool = False) -> None:
        """Starts its process, `again` after another has ended; returns once it serves.

        Raises SettingsError and WorkerError, after killing it.
        """
        process = self._process = await WorkerProcess.spawn(replace(self._spec, restarted=again))
        try:
            if self._stopping.is_set():
                process.kill()
            async with asyncio.timeout(self._start_timeout):
                await process.wait_until_serving()
        except TimeoutError:
            process.kill()
            raise WorkerError(f"did not serve within {self._start_timeout:g} s", 1) from None
        except BaseException:
            process.kill()
            raise
        self._is_serving = True
        log.info("worker.started", worker=self._spec.worker, pid=process.pid)

    async def keep_running(self) -> int:
        """Restarts it whenever it ends. Returns the exit code of the last process, once a signal was sent to it."""
        delay = BACKOFF
        while True:
            began = time.monotonic()
            code = await self._end()
            had_served, self._is_serving = self._is_serving, False
            forget(self._spec.metrics, self._spec.worker)
            if self._stopping.is_set():
                return shell_code(code) if had_served else 0
            if time.monotonic() - began > STABLE:
                delay = BACKOFF
            log.error("worker.ended", worker=self._spec.worker, reason=describe_exit(code), restart_seconds=delay)
            delay = await self._restart(delay)

    async def _end(self) -> int:
        """Waits for the end of its current process, which is killed if it is stopped. Returns the exit code."""
        end = asyncio.ensure_future(self.wait())
        stopped = 0
        try:
            while not (await asyncio.wait({end}, timeout=STOPPED_CHECK))[0]:
                stopped = stopped + 1 if self._process and self._process.is_stopped() else 0
                if stopped == STOPPED_CHECKS:
                    log.error("worker.stopped", worker=self._spec.worker, seconds=STOPPED_CHECK * STOPPED_CHECKS)
                    self.kill()
            return end.result()
        finally:
            end.cancel()

    async def _restart(self, delay: float) -> float:
        """Restarts until it serves or is stopped. Returns the seconds to wait before the next restart."""
        while not await self._is_stopped_within(delay):
            delay = min(delay * 2, LONGEST_BACKOFF)
            try:
                await self.start(again=True)
            except (SettingsError, WorkerError) as error:
                log.error("worker.not_started", worker=self._spec.worker, reason=str(error), restart_seconds=delay)
            else:
                break
        return delay

    async def _is_stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    async def wait(self) -> int:
        """Waits for the end of its current process; returns the exit code."""
        return await self._process.wait() if self._process else 0

    def send_signal(self, number: signal.Signals) -> None:
        """Makes its process handle a signal, and restarts it no more. A process that does not serve yet is killed."""
        self._stopping.set()
        if self._process and self._is_serving:
            self._process.send_signal(number)
        else:
            self.kill()

    def kill(self) -> None:
        """Ends its process at once."""
        if self._process:
            self._process.kill()


class WorkerPool:
    """All workers of a supervisor."""

    def __init__(self, specs: Sequence[WorkerSpec]) -> None:
        self._workers = [Worker(spec) for spec in specs]
        self._keepers: list[asyncio.Task[int]] = []

    async def start(self) -> None:
        """Returns once all serve. Raises SettingsError or WorkerError as soon as one worker cannot start."""
        starts = [asyncio.create_task(worker.start()) for worker in self._workers]
        try:
            await asyncio.gather(*starts)
        finally:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
        self._keepers = [asyncio.create_task(worker.keep_running()) for worker in self._workers]

    async def run(self, signals: ServiceSignals, drain_timeout: float) -> int:
        """Keeps the workers running and forwards signals until all have ended. Returns the highest exit code.

        The first signal starts a drain of at most `drain_timeout` seconds; a second one ends everything at once.
        """
        ends = asyncio.gather(*self._keepers)
        if number := await _next_signal(signals, ends, None):
            self._send_signal(number)
            number = await _next_signal(signals, ends, drain_timeout)
        if not ends.done():
            # Either a second signal came or the drain took too long: a worker that is draining ends at any signal.
            self._send_signal(number or signal.SIGTERM)
            await asyncio.wait({ends}, timeout=STOP_GRACE)
            self._kill()
        return max(await ends)

    async def close(self) -> None:
        """Kills all workers and waits for their end."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._kill()
        await asyncio.gather(*(worker.wait() for worker in self._workers))

    def _send_signal(self, number: signal.Signals) -> None:
        for worker in self._workers:
            worker.send_signal(number)

    def _kill(self) -> None:
        for worker in self._workers:
            worker.kill()


async def _next_signal(
    signals: ServiceSignals, ends: asyncio.Future[list[int]], seconds: float | None
) -> signal.Signals | None:
    """The next signal; None if all workers end first, or `seconds` pass (None: no limit)."""
    received = asyncio.create_task(signals.next())
    either: set[asyncio.Future[Any]] = {ends, received}
    await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    received.cancel()
    return received.result() if received.done() else None
