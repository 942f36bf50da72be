"""One engine process, as seen by its parent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dragoman_service.providers.local.engine.main import PLAIN

_MODULE = "dragoman_service.providers.local.engine.main"
_POLL = 0.02  # seconds between two health checks while it starts
_PROBE = 2.0  # seconds that a health check may take
_USER_TIME = 11  # the word of /proc/PID/stat after the name; the next one is the system's time
_TICKS = os.sysconf("SC_CLK_TCK")
_TAIL = 4096  # bytes of its output that are kept, the last ones
_KEPT_NAMES = frozenset({"PATH", "HOME", "TMPDIR", "VIRTUAL_ENV"})
_KEPT_PREFIXES = ("LD_", "DYLD_", "PYTHON", "LC_", "LANG", "OMP_", "GOMP_", "GGML_", "LLAMA_", "MALLOC_")


class EngineError(Exception):
    """The engine cannot be started. The message tells the operator why."""


class EngineProcess:
    """A running process, created by `spawn`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._output = b""
        self._verdict = ""
        self._listener = asyncio.create_task(self._listen(), name="engine stderr")

    @classmethod
    async def spawn(cls, options: Mapping[str, Any]) -> EngineProcess:
        """Starts the process with the options of `main`. Raises EngineError."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", _MODULE, json.dumps(options)),
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=PIPE,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in a terminal must reach the service only, which drains first
            )
        except OSError as error:
            raise EngineError(f"The engine's process cannot be started: {error.strerror}.") from error
        return cls(process)

    @property
    def pid(self) -> int | None:
        """The process id, None after its end."""
        return self._process.pid if self._process.returncode is None else None

    def spent(self) -> float:
        """Seconds of processor time that it has used so far; 0.0 after its end."""
        try:
            words = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(words[_USER_TIME]) + int(words[_USER_TIME + 1])) / _TICKS

    def condemn(self, verdict: str) -> None:
        """Ends it at once, for the reason that `ended` returns."""
        self._verdict = verdict
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def answering(self, socket: Path) -> None:
        """Returns when it answers on `socket`. Raises EngineError if it ends first."""
        while not await health(socket):
            if self._process.returncode is not None:
                raise EngineError(await self.ended())
            await asyncio.sleep(_POLL)

    async def ended(self) -> str:
        """Waits for its end and returns the reason."""
        code = await self._process.wait()
        await asyncio.wait({self._listener}, timeout=1.0)
        if self._verdict:
            return self._verdict
        lines = [line.strip()[:200] for line in self._output.decode(errors="replace").splitlines() if line.strip()]
        if code == PLAIN and lines:
            return lines[-1]
        if code == -signal.SIGILL:
            return "The engine used an instruction that this processor lacks."
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        return f"The engine ended {how}. Its last output: {' | '.join(lines[-3:]) or 'none'}"

    async def end(self) -> None:
        """Ends it at once, because it has nothing to save."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await asyncio.gather(self._listener, return_exceptions=True)

    async def _listen(self) -> None:
        if self._process.stderr is not None:
            while chunk := await self._process.stderr.read(_TAIL):
                self._output = (self._output + chunk)[-_TAIL:]


def _environment() -> dict[str, str]:
    """The part of the environment that the engine needs. The rest may hold the keys of other providers."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT_NAMES or name.startswith(_KEPT_PREFIXES)}
    # OpenMP's threads spin while they wait, which makes generation three times slower when others use the cores.
    # Each thread that splits a long text would keep the memory that it needed in an arena of its own.
    return {"GOMP_SPINCOUNT": "1000", "MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "1048576", **kept}


async def health(socket: Path) -> bool | None:
    """Whether an engine on `socket` is ready; None if it accepts a connection but is too busy to answer."""
    try:
        async with asyncio.timeout(_PROBE):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(b"GET /health HTTP/1.0\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except TimeoutError:
        return None
    except OSError:
        return False
