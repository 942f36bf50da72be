"""What tests of the console do with its page: open it, ask, read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from browser import Browser
from dragoman_service.testing import Scripted, Served, choice_finished, delta, serving, usage

TEXT = "(document.querySelector('.answer .text')?.innerText ?? '')"
DONE = "document.querySelector('.play')?.dataset.state === 'done'"
EVERY = "[...document.querySelectorAll"


def address(served: Served, place: str = "") -> str:
    """The console's address, or that of a place in it such as `#/compare`."""
    return f"http://{served.running.http_address}/console/{place}"


async def run(browser: Browser, message: str) -> None:
    """Types a message and runs it."""
    await browser.do("wait", selector="select option[value*='/']")
    await browser.do("fill", selector=".turn textarea", text=message)
    await browser.do("click", selector="button.primary")


@asynccontextmanager
async def held() -> AsyncIterator[tuple[Served, asyncio.Event]]:
    """A service whose answer stops in its middle until the event is set."""
    gate = asyncio.Event()
    script = (delta("The first half"), gate.wait, delta(" and the second half."), choice_finished(), usage(5, 9))
    async with serving({"vendor": Scripted(*script)}) as served:
        yield served, gate
