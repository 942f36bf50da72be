"""One worker process, as its supervisor sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from typing import cast

from dragoman_service.process.worker_spec import WorkerSpec, check_report, encode_signal
from dragoman_service.telemetry.workers import FOLDER_VARIABLE

_MODULE = "dragoman_service.process.worker"


class WorkerError(Exception):
    """A worker ended before it served; `code` is its exit code."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.code = code


class WorkerProcess:
    """A running process, made by `spawn`."""

    def __init__(self, process: Process, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader) -> None:
        self._process, self._stdin, self._stdout = process, stdin, stdout

    @classmethod
    async def spawn(cls, spec: WorkerSpec) -> WorkerProcess:
        """Starts the process and sends it its spec. Raises WorkerError."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", _MODULE),
                stdin=PIPE,
                stdout=PIPE,
                env={**os.environ, FOLDER_VARIABLE: str(spec.metrics)},
                start_new_session=True,  # so that Ctrl-C in a terminal reaches the supervisor alone
            )
        except OSError as error:
            raise WorkerError(f"its process cannot be started: {error.strerror}", 1) from error
        stdin, stdout = cast("asyncio.StreamWriter", process.stdin), cast("asyncio.StreamReader", process.stdout)
        stdin.write(spec.encode())
        return cls(process, stdin, stdout)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait_until_serving(self) -> None:
        """Returns once it serves. Raises SettingsError and WorkerError."""
        line = await self._stdout.readline()
        if not line:
            code = await self.wait()
            raise WorkerError(describe_exit(code), shell_code(code))
        check_report(line)

    async def wait(self) -> int:
        """Waits for its end. Returns the exit code; a negative one is the number of the signal that ended it."""
        return await self._process.wait()

    def is_stopped(self) -> bool:
        """Whether a signal such as SIGSTOP has stopped it. Its listeners then still accept connections."""
        if not hasattr(os, "waitid"):  # macOS
            return False
        with contextlib.suppress(ChildProcessError):
            # WNOWAIT leaves the state where it is, for asyncio, which waits for the end of the process.
            return os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
        return False

    def send_signal(self, number: signal.Signals) -> None:
        """Makes it handle a signal, by a message through its standard input."""
        if not self._stdin.is_closing():
            self._stdin.write(encode_signal(number))

    def kill(self) -> None:
        """Ends it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


def describe_exit(code: int) -> str:
    """How a process ended, for the log."""
    return f"ended by signal {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def shell_code(code: int) -> int:
    """The exit code as a shell reports it: 128 and the number of the signal for a process that a signal ended."""
    return 128 - code if code < 0 else code
