"""Images and files in the console: attached, dropped, sent, copied as programs that work."""

from __future__ import annotations

import asyncio
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from browser import ROOT, Browser
from dragoman_service.providers.echo.provider import Echo
from dragoman_service.testing import Scripted, Served, choice_finished, delta, serving
from page import DONE, EVERY, TEXT, address, run

pytestmark = pytest.mark.timeout(120)
PICTURE = (ROOT / "docs/console.png").read_bytes() + bytes(50_000)  # too long for an argument of a command
SEEN = f"[image/png of {len(PICTURE)} bytes]"
FILES = f"{EVERY}('.files li')].map((one) => one.innerText.split('\\n').slice(0, 2))"
INPUT = "input[type=file]"
STATUS = "document.querySelector('.panel > .status').textContent"
NOTE = "['one line'], 'note.txt', { type: 'text/plain;charset=utf-8' }"
LARGE = "[new Uint8Array(5_500_000)], 'large.png', { type: 'image/png' }"  # too large for the tab to keep
HUGE = "[new Uint8Array(20 * 1024 ** 2 + 1)], 'huge.png', { type: 'image/png' }"
DROP = """(() => {
    const dropped = new DataTransfer();
    dropped.items.add(new File(FILE));
    const on = document.querySelector('.turn textarea');
    for (const type of ['dragover', 'drop'])
        on.dispatchEvent(new DragEvent(type, { dataTransfer: dropped, bubbles: true, cancelable: true }));
})()"""
COPIED = "navigator.clipboard.writeText = async (text) => { window.copied = text; }"


@asynccontextmanager
async def opened(browser: Browser, place: str = "") -> AsyncIterator[Served]:
    blind = Scripted(delta("yes"), choice_finished())
    async with serving({"echo": Echo(), "blind": blind}) as served:
        await browser.do("goto", url=address(served, place))
        await browser.do("wait", selector="[value='echo/echo']")
        yield served


async def choose(browser: Browser, model: str) -> None:
    await browser.do("select", selector=".panel select", value=model)


async def attach(browser: Browser, name: str = "chart.png", data: bytes = PICTURE) -> None:
    given = {"file": name, "media_type": "image/png", "data": b64encode(data).decode()}
    await browser.do("attach", selector=INPUT, **given)
    await browser.until(f"{STATUS} !== ''")


async def drop(browser: Browser, file: str) -> None:
    """Drops a file on the first message; `file`: the arguments of its constructor."""
    await browser.do("evaluate", expression=DROP.replace("FILE", file))


async def test_a_model_sees_an_image_and_a_dropped_file(browser: Browser) -> None:
    async with opened(browser):
        await choose(browser, "echo/echo")
        await attach(browser)
        await drop(browser, NOTE)
        await browser.until(f"{FILES}.length === 2")
        files = await browser.do("evaluate", expression=FILES)
        await run(browser, "What is this?")
        await browser.until(DONE)
        text = await browser.do("evaluate", expression=TEXT)
        rules = await browser.do("axe")
        await browser.picture("attached")
        await browser.do("dark")
        await browser.do("resize", width=320, height=900)
        await browser.picture("attached-small-dark")
        rules += await browser.do("axe")

    assert files == [["chart.png", f"{len(PICTURE) / 1000:.1f} kB"], ["note.txt", "8 bytes"]]
    assert text == f"What is this? {SEEN} [text/plain of 8 bytes]"
    assert not rules


async def test_an_image_stays_over_a_reload_until_it_is_removed_by_keyboard(browser: Browser) -> None:
    async with opened(browser):
        await choose(browser, "echo/echo")
        await attach(browser)
        await browser.do("reload")
        await browser.do("wait", selector=".files button")
        await browser.do("evaluate", expression="document.querySelector('[aria-label=\"Remove chart.png\"]').focus()")
        await browser.do("press", keys="Enter")
        await browser.until(f"{STATUS} === 'Removed: chart.png.'")
        files = await browser.do("evaluate", expression=FILES)
        focused = await browser.do("evaluate", expression="document.activeElement.labels[0].textContent")

    assert files == []
    assert focused == "+ image or file to message 1"


async def test_a_model_that_reads_no_images_says_so(browser: Browser) -> None:
    reason = "This model reads no images or files."
    async with opened(browser):
        await choose(browser, "blind/scripted")
        disabled = await browser.do("evaluate", expression=f"document.querySelector('{INPUT}').disabled")
        shown = await browser.do("text", selector=".attached")
        await drop(browser, NOTE)
        await browser.until(f"{STATUS} === '{reason}'")
        files = await browser.do("evaluate", expression=FILES)
        rules = await browser.do("axe")
        await browser.picture("attached-not")

    assert disabled
    assert reason in shown
    assert files == []
    assert not rules


async def test_files_that_cannot_be_sent_are_refused_with_the_reason(browser: Browser) -> None:
    async with opened(browser):
        await choose(browser, "echo/echo")
        await attach(browser, "nothing.png", b"")
        empty = await browser.do("evaluate", expression=STATUS)
        await drop(browser, HUGE)
        huge = await browser.until(f"{STATUS} !== '{empty}' && {STATUS}")

    assert (empty, huge) == ("nothing.png is empty.", "huge.png is larger than 20 MiB.")


async def test_an_image_stays_for_other_views_and_models_to_compare(browser: Browser) -> None:
    async with opened(browser) as served:
        await choose(browser, "echo/echo")
        await drop(browser, LARGE)
        await browser.until(f"{FILES}.length === 1")
        await browser.do("goto", url=address(served, "#/compare"))
        await browser.do("click", selector=".checks input[value='echo/echo']")
        await browser.do("fill", selector=".compare textarea", text="Look.")
        await browser.do("click", selector="button.primary")
        await browser.until("document.querySelector('.compare').dataset.state === 'done'")
        text = await browser.do("evaluate", expression=TEXT)
        await browser.do("click", selector=".checks input[value='blind/scripted']")
        reason = await browser.do("text", selector=".attached .reason")
        await browser.picture("attached-compare")

    assert text == "Look. [image/png of 5500000 bytes]"
    assert reason == "blind/scripted reads no images or files."


@pytest.mark.parametrize("form", ["curl (OpenAI)", "curl (native)", "Python"])
async def test_copied_programs_send_the_image(browser: Browser, form: str) -> None:
    async with opened(browser) as served:
        await choose(browser, "echo/echo")
        await attach(browser)
        await browser.do("evaluate", expression=COPIED)
        await browser.do("select", selector="select[aria-label='Copy the request as']", value=form)
        program = await browser.until("window.copied")
        program = program.replace("127.0.0.1:50051", served.running.grpc_address)
        command = [sys.executable, "-"] if form == "Python" else ["bash", "-s"]
        output = await executed(command, program)

    assert f"image/png of {len(PICTURE)} bytes" in output


async def executed(command: list[str], program: str) -> str:
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "DRAGOMAN_API_KEY": "none"}
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=environment)
    output, _ = await process.communicate(program.encode())
    return output.decode()
