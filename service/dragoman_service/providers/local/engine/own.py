"""Keeps an engine running: starts its process, waits until it answers, restarts it after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from dragoman_service.providers.local.engine.machine import missing_instructions
from dragoman_service.providers.local.engine.process import EngineError, EngineProcess
from dragoman_service.providers.local.engine.watchdog import Watchdog, limit_of

START_TIMEOUT = 300.0  # seconds; large weights on a slow disk take long to load
_BACKOFF = 0.1  # seconds before the first restart, doubled for each further one
_LONGEST_BACKOFF = 30.0
_LONGEST_AFTER_WORK = 1.0  # for an engine that answered: what ended it was the work, not the machine
_STABLE = 60.0  # seconds of uptime after which the backoff starts again
_SOCKET = "engine.sock"
_LONGEST_PATH = 100  # bytes; systems refuse sockets whose paths have more than 104 to 108

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the engine runs. `context_tokens` is the size of one slot, which holds one answer at a time."""

    weights: Path
    name: str
    threads: int
    slots: int
    context_tokens: int


class LocalEngine:
    """One process after the other, all on the unix socket `socket`. Created by `running_engine`."""

    def __init__(self, options: EngineOptions, socket: Path, step_limit: float) -> None:
        self.restarts = 0
        """The number of restarts so far."""
        self._socket = socket
        self._options = options
        self._step_limit = step_limit
        self._watchdog: Watchdog | None = None
        self._process: EngineProcess | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    @property
    def socket(self) -> Path:
        return self._socket

    @property
    def available(self) -> bool:
        """It has started to answer, has not ended, and does not stand still."""
        return self._up.is_set()

    @property
    def silent_since(self) -> float | None:
        return None if self._watchdog is None else self._watchdog.silent_since

    @property
    def pid(self) -> int | None:
        """The process id, None between two processes."""
        return self._process.pid if self._process is not None else None

    async def ready(self, timeout: float) -> bool:  # noqa: ASYNC109 - returns rather than raises
        """Whether it answers within `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), max(timeout, 0.0))
        return self.available

    async def start(self) -> None:
        """Returns when it answers. Raises EngineError."""
        process = await self._launch()
        self._keeper = asyncio.create_task(self._keep(process), name="engine keeper")

    async def stop(self) -> None:
        """Ends the process."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._up.clear()
        if self._process is not None:
            await self._process.end()

    async def _keep(self, process: EngineProcess) -> None:
        delay = _BACKOFF
        while True:
            began = time.monotonic()
            reason = await self._watched(process)
            self._up.clear()
            log.error("engine.ended", reason=reason, restarts=self.restarts)
            delay = _BACKOFF if time.monotonic() - began > _STABLE else min(delay, _LONGEST_AFTER_WORK)
            process, delay = await self._relaunch(delay)

    async def _watched(self, process: EngineProcess) -> str:
        """Waits for the end of a process, which comes at once if it stands still. Returns the reason."""

        def stuck() -> None:
            process.condemn(f"The engine stood still: one step took {self._step_limit:g} s of processor time.")

        self._watchdog = Watchdog(self.socket, self._step_limit, process.spent, self._stall, stuck)
        watching = asyncio.create_task(self._watchdog.run(), name="engine watchdog")
        try:
            return await process.ended()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    def _stall(self, stalled: bool) -> None:
        if stalled:
            self._up.clear()
            log.warning("engine.stalled", limit=self._step_limit)
        else:
            self._up.set()

    async def _relaunch(self, delay: float) -> tuple[EngineProcess, float]:
        """The next process that answers, and the seconds to wait before a further one."""
        while True:
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_BACKOFF)
            self.restarts += 1
            try:
                return await self._launch(), delay
            except EngineError as error:
                log.error("engine.not_started", reason=str(error), restarts=self.restarts)

    async def _launch(self) -> EngineProcess:
        began = time.monotonic()
        self.socket.unlink(missing_ok=True)
        options = asdict(self._options) | {"weights": str(self._options.weights), "socket": str(self.socket)}
        process = self._process = await EngineProcess.spawn(options)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await process.answering(self.socket)
        except TimeoutError:
            await process.end()
            raise EngineError(f"The engine did not answer within {START_TIMEOUT:g} s.") from None
        self._up.set()
        log.info("engine.started", pid=process.pid, seconds=round(time.monotonic() - began, 3), restarts=self.restarts)
        return process


@asynccontextmanager
async def running_engine(options: EngineOptions, step_limit: float | None = None) -> AsyncIterator[LocalEngine]:
    """A running engine, until the context is left. Raises EngineError if it cannot be started.

    An engine of which one step takes `step_limit` seconds of processor time is restarted. None: what `limit_of` says.
    """
    await asyncio.to_thread(check_runtime)
    folder = await asyncio.to_thread(_private_folder)
    limit = await asyncio.to_thread(limit_of, options.weights, options.slots, step_limit)
    engine = LocalEngine(options, folder / _SOCKET, limit)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.stop()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def check_runtime() -> None:
    """Raises EngineError if the embedded model cannot run here, whatever its weights are."""
    missing = missing_instructions()
    if missing:
        raise EngineError(
            f"The embedded model needs a processor with {', '.join(sorted(missing))}, and this one lacks them."
        )
    if importlib.util.find_spec("xllamacpp") is None:
        raise EngineError(
            "The runtime of the embedded model is not installed, as in the image without it. Name another provider "
            "under [providers] in the settings, or install it: pip install 'dragoman-service[local]'."
        )


def _private_folder() -> Path:
    """A new folder that only this user may enter, with a path that is short enough for a socket."""
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes a private folder in it
        folder = Path(tempfile.mkdtemp(prefix="dragoman-", dir=parent))
        if len(os.fsencode(folder / _SOCKET)) <= _LONGEST_PATH:
            return folder
        folder.rmdir()
    raise EngineError("No temporary folder has a path short enough for a socket.")
