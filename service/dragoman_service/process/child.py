"""One process of a worker, seen from the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from typing import cast

from dragoman_service.process.worker_spec import Job, order, read_report
from dragoman_service.telemetry.workers import FOLDER_VARIABLE

_MODULE = "dragoman_service.process.worker"


class WorkerError(Exception):
    """A worker ended before it served; `code` is its exit code."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.code = code


class Child:
    """A running process; `spawn` makes it."""

    def __init__(self, process: Process, orders: asyncio.StreamWriter, reports: asyncio.StreamReader) -> None:
        self._process, self._orders, self._reports = process, orders, reports

    @classmethod
    async def spawn(cls, job: Job) -> Child:
        """Starts the process. Raises WorkerError."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", _MODULE),
                stdin=PIPE,
                stdout=PIPE,
                env={**os.environ, FOLDER_VARIABLE: str(job.metrics)},
                start_new_session=True,  # Ctrl-C in a terminal is for the supervisor
            )
        except OSError as error:
            raise WorkerError(f"its process cannot be started: {error.strerror}", 1) from error
        orders, reports = cast("asyncio.StreamWriter", process.stdin), cast("asyncio.StreamReader", process.stdout)
        orders.write(job.encode())
        return cls(process, orders, reports)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def serving(self) -> None:
        """Returns once it serves. Raises SettingsError and WorkerError."""
        line = await self._reports.readline()
        if not line:
            code = await self.ended()
            raise WorkerError(how(code), exit_code(code))
        read_report(line)

    async def ended(self) -> int:
        """Waits for its end; returns the code, negative for a signal."""
        return await self._process.wait()

    def tell(self, number: signal.Signals) -> None:
        """Makes it act as on a signal."""
        if not self._orders.is_closing():
            self._orders.write(order(number))

    def kill(self) -> None:
        """Ends it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


def how(code: int) -> str:
    """How a process ended, in words."""
    return f"ended by signal {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def exit_code(code: int) -> int:
    """The code as a shell would tell it."""
    return 128 - code if code < 0 else code
