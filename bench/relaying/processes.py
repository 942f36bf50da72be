"""Programs of the benchmark: each runs on a given core, with the CPU time and the memory of all its processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1]
_START = 120.0  # seconds until a program must print its first line
_END_GRACE = 5.0  # seconds to end after SIGTERM


class Program:
    """A program that runs until the end of the benchmark."""

    def __init__(self, process: Process, log: Path | None) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Id of its first process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    async def line(self) -> str:
        """Returns the next line it prints. Ends the benchmark if the program ends instead."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), _START)
        if not line:
            raise SystemExit(f"A program of the benchmark did not start. {self.log_tail()}")
        return line.decode().strip()

    def tell(self, line: str) -> None:
        """Writes a line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    def log_tail(self) -> str:
        """Returns the end of its log, with a heading."""
        if self._log is None:
            return "Its output is above."
        return "\n".join(["Its log ends:", *self._log.read_text(errors="replace").splitlines()[-20:]])

    def cpu(self) -> float:
        """Returns the seconds of CPU time that it and its child processes have used so far."""
        # By the CPU clock of each process, see clock_getcpuclockid(3), because /proc counts in hundredths of a second.
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in _tree(self.pid))

    def memory(self) -> float:
        """Returns the resident memory in MiB."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in _tree(self.pid))
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    async def end(self) -> None:
        """Terminates it, and kills it if it does not end in time."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _END_GRACE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def started(
    *command: str, core: int | None, env: Mapping[str, str] | None = None, log: Path | None = None
) -> AsyncIterator[Program]:
    """Runs a command on `core`, or on all of them. Its stderr goes to the file `log`, if there is one."""
    path = os.pathsep.join([str(BENCH), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {**os.environ, "PYTHONPATH": path, **(env or {})}
    with (
        contextlib.nullcontext() if core is None else on_core(core),
        log.open("wb") if log else contextlib.nullcontext() as stderr,
    ):
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=stderr, env=variables)
    program = Program(process, log)
    try:
        yield program
    finally:
        await program.end()


def started_module(name: str, core: int) -> contextlib.AbstractAsyncContextManager[Program]:
    """Runs a module of the benchmark with this Python."""
    return started(sys.executable, "-m", name, core=core)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Threads and processes that are started in this context run only on that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))
