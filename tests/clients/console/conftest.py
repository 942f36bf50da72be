"""A service for the console, and a browser."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator

import pytest
from browser import ROOT, Browser, chromium


@pytest.fixture(scope="session")
def driver() -> None:
    """The environment of the browser's driver."""
    subprocess.run(["make", "--no-print-directory", "browser"], cwd=ROOT, check=True)


@pytest.fixture
async def browser(driver: None) -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started
        problems = [line for line in await started.do("said") if line.startswith(("error", "warning"))]

    assert [line for line in problems if "net::ERR" not in line and "status of" not in line] == []
