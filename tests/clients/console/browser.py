"""A real Chromium, for tests of the console."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PICTURES = ROOT / "build/console"
"""Where pictures of the page are kept after a run."""


class BrowserError(AssertionError):
    """The browser could not do it, for example because something did not appear in time."""


class Browser:
    """One page. See drive.py for what it can do."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, name: str, **given: Any) -> Any:
        """Does one thing and returns its outcome. Raises BrowserError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, given]).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise BrowserError(f"the browser has ended before {name}")
        outcome = json.loads(line)
        if "error" in outcome:
            raise BrowserError(f"{name} {given}: {outcome['error']}")
        return outcome["value"]

    async def picture(self, name: str) -> None:
        """Keeps a picture of what is visible."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        await self.do("picture", path=str(PICTURES / f"{name}.png"))

    async def until(self, expression: str, seconds: float = 20.0) -> Any:
        """Waits until an expression of the page is true, and returns it."""
        return await self.do("until", expression=expression, seconds=seconds)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser with a fresh profile."""
    command = (str(ROOT / "build/browser/bin/python"), str(Path(__file__).with_name("drive.py")))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=64 * 1024**2)
    try:
        yield Browser(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
