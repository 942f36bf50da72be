"""Programs of the bench: each on a core that is told, with the CPU time and the memory of all its processes."""

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
_START = 120.0  # seconds that a program may take until it says something
_END = 5.0  # seconds that it has to end


class Program:
    """A program that runs until the bench is over."""

    def __init__(self, process: Process, log: Path | None) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """It has not ended yet."""
        return self._process.returncode is None

    async def line(self) -> str:
        """What it says next. Ends the bench if it ends instead."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), _START)
        if not line:
            raise SystemExit(f"A program of the benchmark did not start. {self.last_words()}")
        return line.decode().strip()

    def last_words(self) -> str:
        """The end of its log."""
        if self._log is None:
            return "What it said is above."
        return "\n".join(["Its log ends:", *self._log.read_text(errors="replace").splitlines()[-20:]])

    def cpu(self) -> float:
        """Seconds of CPU time that it has used so far, its child processes included."""
        # The clock of a process, see clock_getcpuclockid(3): /proc counts in hundredths of a second.
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in _tree(self.pid))

    def memory(self) -> float:
        """MiB of memory that it occupies."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in _tree(self.pid))
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    async def end(self) -> None:
        """Asks it to end, and makes it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _END)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def started(
    *command: str, core: int, env: Mapping[str, str] | None = None, log: Path | None = None
) -> AsyncIterator[Program]:
    """Runs a command on `core`; what it says on stderr goes into the file `log`, if there is one."""
    path = os.pathsep.join([str(BENCH), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {**os.environ, "PYTHONPATH": path, **(env or {})}
    with on_core(core), log.open("wb") if log else contextlib.nullcontext() as stderr:
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=stderr, env=variables)
    program = Program(process, log)
    try:
        yield program
    finally:
        await program.end()


def started_module(name: str, core: int) -> contextlib.AbstractAsyncContextManager[Program]:
    """Runs a module of the bench in this Python."""
    return started(sys.executable, "-m", name, core=core)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started inside, threads and processes, runs on that core only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))
