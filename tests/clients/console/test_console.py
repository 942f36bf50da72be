"""The console in a real Chromium: answers that survive, hostile text, keyboards, small and dark screens."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import aiohttp
import pytest
from browser import Browser, chromium
from dragoman import v1
from dragoman_service.testing import Scripted, Served, choice_finished, delta, serving, usage
from google.longrunning import operations_pb2
from nginx import below_a_path
from page import DONE, EVERY, TEXT, address, held, run
from supervised import supervised

pytestmark = pytest.mark.timeout(120)
MARKDOWN = "# A title\n\nSome **bold** text with `code`.\n\n- one\n- two\n\n```python\nprint('hi')\n```\n\nThe end."
HOSTILE = (
    '<img src=x onerror="window.hacked=1"> [bad](javascript:window.hacked=2) <script>window.hacked=3</script> '
    "\u202egnp.exe [good](https://example.com/x) "
)


def asked() -> v1.CompletionRequest:
    request = v1.CompletionRequest(model="vendor/scripted")
    request.messages.add(role=v1.ROLE_USER).parts.add(text="x")
    return request


async def completion(served: Served, name: str) -> v1.Completion:
    operation = await served.operations.GetOperation(operations_pb2.GetOperationRequest(name=name))
    answer = v1.Completion()
    operation.response.Unpack(answer)
    return answer


async def test_an_answer_is_drawn_as_markdown_with_its_figures(browser: Browser) -> None:
    script = [delta(piece) for piece in MARKDOWN.splitlines(keepends=True)]
    settings = {"prices": {"vendor/scripted": {"input": 1, "output": 10}}}
    async with serving({"vendor": Scripted(*script, choice_finished(), usage(1200, 340))}, settings) as served:
        await browser.do("goto", url=address(served))
        await run(browser, "Write something.")
        await browser.until(DONE)
        tags = await browser.do(
            "evaluate", expression="[...document.querySelectorAll('.text *')].map((e) => e.tagName)"
        )
        facts = await browser.do("text", selector=".facts")
        await browser.picture("answer")

    assert {"H3", "STRONG", "CODE", "UL", "LI", "PRE", "P"} <= set(tags)
    assert "1200 in, 340 out" in facts
    assert "$0.0046" in facts
    assert "vendor/scripted" in facts
    assert await browser.do("asked") == [served.running.http_address]


async def test_an_answer_goes_on_after_a_reload_and_on_another_device(browser: Browser) -> None:
    async with held() as (served, gate), chromium() as other:
        await browser.do("goto", url=address(served))
        await run(browser, "Hello")
        await browser.until(f"{TEXT}.includes('first half')")
        await browser.picture("streaming")
        await browser.do("reload")
        await browser.until(f"{TEXT}.includes('first half')")
        url = await browser.do("url")
        await other.do("goto", url=url)
        await other.until(f"{TEXT}.includes('first half')")
        gate.set()
        texts = [await one.until(f"{DONE} && {TEXT}") for one in (browser, other)]
        stored = await completion(served, url.rpartition("operation=")[2].replace("%2F", "/"))

    assert stored.choices[0].message.parts[0].text == "The first half and the second half."
    assert texts == [stored.choices[0].message.parts[0].text] * 2


async def test_an_answer_goes_on_in_the_same_page_after_the_service_was_killed(
    browser: Browser, tmp_path: Path
) -> None:
    words = " ".join(f"word{number}" for number in range(40))
    slow = '[providers.echo]\ndelay = "50ms"\n'
    async with supervised(tmp_path, slow, workers=1) as first:
        await first.wait_until_serving()
        addresses = f'grpc = "{first.grpc}"\nhttp = "{first.http}"'
        await browser.do("goto", url=f"http://{first.http}/console/")
        await run(browser, words)
        await browser.until(f"{TEXT}.includes('word3')")
        first.process.kill()
        await first.process.wait()
        await browser.until("document.querySelector('.note')?.textContent.includes('Trying again')")
        before = await browser.do("evaluate", expression=TEXT)
    async with supervised(tmp_path, slow, addresses, workers=1) as second:
        await second.wait_until_serving()
        text = await browser.until(f"{DONE} && {TEXT}", seconds=40)
        await browser.picture("survived")

    assert "word39" not in before
    assert text == words


async def test_what_a_model_writes_is_never_code(browser: Browser) -> None:
    long = "x" * 1_000_000
    script = (delta(HOSTILE), delta("\n\n" + long), delta(long), choice_finished())
    async with serving({"vendor": Scripted(*script)}) as served:
        await browser.do("goto", url=address(served))
        await run(browser, "Attack")
        await browser.until(DONE, seconds=60)
        hacked = await browser.do("evaluate", expression="window.hacked ?? null")
        images = await browser.do("evaluate", expression=f"{EVERY}('.answer img, script')].length - 1")
        links = await browser.do("evaluate", expression=f"{EVERY}('.answer a')].map((a) => [a.href, a.rel])")
        length = await browser.do("evaluate", expression=f"({TEXT}).length")

    assert hacked is None
    assert images == 0
    assert links == [["https://example.com/x", "noopener noreferrer"]]
    assert length > 2_000_000


async def test_everything_works_by_keyboard(browser: Browser) -> None:
    async with held() as (served, _):
        await browser.do("goto", url=address(served))
        await browser.do("wait", selector="select option[value*='/']")
        await browser.do("evaluate", expression="document.querySelector('.turn textarea').focus()")
        await browser.do("type", text="Hello")
        await browser.do("press", keys="Control+Enter")
        await browser.until(f"{TEXT}.includes('first half')")
        await browser.do("press", keys="Escape")
        await browser.until("document.querySelector('.play').dataset.state === 'failed'")
        error = await browser.do("text", selector=".error")

    assert "cancelled" in error.lower()


@pytest.mark.parametrize("view", ["play", "compare", "operations", "service"])
async def test_views_fit_small_and_dark_screens(browser: Browser, view: str) -> None:
    script = Scripted(delta(MARKDOWN), choice_finished(), usage(5, 9))
    async with serving({"vendor": script}, {"limits.service": {"tokens": {"day": 1000}}}) as served:
        await served.completions.CreateCompletion(asked())
        await browser.do("goto", url=address(served, f"#/{view}"))
        await browser.do("wait", selector="main > *")
        await asyncio.sleep(0.5)  # for the picture
        await browser.picture(f"{view}-wide")
        await browser.do("dark")
        await browser.picture(f"{view}-dark")
        await browser.do("resize", width=320, height=700)
        await browser.picture(f"{view}-small")
        wide = await browser.do("evaluate", expression="document.documentElement.scrollWidth")

    assert wide <= 320


async def test_models_are_compared_side_by_side(browser: Browser) -> None:
    one, other = Scripted(delta("yes"), choice_finished()), Scripted(delta("no"), choice_finished())
    async with serving({"one": one, "other": other}) as served:
        await browser.do("goto", url=address(served, "#/compare"))
        await browser.do("wait", selector=".checks input")
        await browser.do("fill", selector=".compare textarea", text="Well?")
        for box in ("one/scripted", "other/scripted"):
            await browser.do("click", selector=f".checks input[value='{box}']")
        await browser.do("click", selector="button.primary")
        await browser.until("document.querySelector('.compare').dataset.state === 'done'")
        texts = await browser.do("evaluate", expression=f"{EVERY}('.text')].map((e) => e.innerText)")
        await browser.picture("compared")
        await browser.do("reload")
        await browser.until("document.querySelectorAll('.column .text').length === 2")

    assert texts == ["yes", "no"]


async def test_operations_are_listed_filtered_and_cancelled(browser: Browser) -> None:
    async with held() as (served, _):
        request = v1.StartCompletionRequest(request=asked())
        request.request.labels["team"] = "red"
        started = await served.completions.StartCompletion(request)
        await browser.do("goto", url=address(served, "#/operations?label=team%3Dred"))
        await browser.do("wait", selector=".state.running")
        await browser.picture("operations")
        await browser.do("click", selector="tbody button")
        await browser.do("wait", selector=".state.cancelled")
        await browser.do("fill", selector="input[placeholder='name=value']", text="team=blue")
        await browser.do("press", keys="Enter")
        await browser.until("document.querySelector('.sheet .status').textContent === 'There are none.'")
        operation = await served.operations.GetOperation(operations_pb2.GetOperationRequest(name=started.name))

    assert operation.done


async def test_a_key_is_asked_for_and_never_leaves_the_tab(browser: Browser) -> None:
    key = {"id": "me", "sha256": hashlib.sha256(b"open-sesame").hexdigest()}
    async with serving({"vendor": Scripted(delta("yes"), choice_finished())}, {"access.keys": [key]}) as served:
        await browser.do("goto", url=address(served))
        await browser.until("document.querySelector('.status').textContent.includes('API key')")
        await browser.do("fill", selector="#key", text="open-sesame")
        await browser.do("press", keys="Enter")
        await run(browser, "Hello")
        await browser.until(DONE)
        await browser.do("select", selector="select[aria-label='Copy the request as']", value="grpcurl")
        kept = await browser.do(
            "evaluate",
            expression="JSON.stringify([localStorage.length, {...sessionStorage}, document.cookie, location.href])",
        )

    assert "open-sesame" not in kept


async def test_the_page_can_be_switched_off_and_moved() -> None:
    async def statuses(settings: dict[str, object], *paths: str) -> list[int]:
        async with serving(None, settings) as served, aiohttp.ClientSession() as session:
            root = f"http://{served.running.http_address}"
            return [(await session.get(root + path)).status for path in paths]

    assert await statuses({"console.enabled": False}, "/console", "/console/") == [404, 404]
    assert await statuses({"console.path": "/ui/play"}, "/ui/play", "/ui/play/", "/console/") == [200, 200, 404]


async def test_it_works_below_a_path_of_a_proxy(browser: Browser, tmp_path: Path) -> None:
    async with held() as (served, gate), below_a_path(tmp_path, served.running.http_address) as url:
        await browser.do("goto", url=url)
        await run(browser, "Hello")
        await browser.until(f"{TEXT}.includes('first half')")
        gate.set()
        await browser.until(DONE)
        text = await browser.do("evaluate", expression=TEXT)

    assert text == "The first half and the second half."
