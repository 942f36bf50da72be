"""Each view of the console keeps axe-core's rules: light, dark, and on a small screen."""

from __future__ import annotations

import pytest
from browser import Browser
from dragoman_service.testing import Scripted, choice_finished, delta, serving, usage
from page import DONE, address, run

pytestmark = pytest.mark.timeout(120)
MARKDOWN = "# A title\n\nSome **bold** `code` and [a link](https://example.com/).\n\n> quoted\n\n```\nlong = 1\n```\n"
OPEN = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
SETTINGS = {
    "limits.keys": {"*": {"requests": {"minute": 100}}},
    "prices": {"vendor/scripted": {"input": 1, "output": 10}},
}
LOOKS = {"light": (1280, False), "dark": (1280, True), "small": (320, False), "small-dark": (320, True)}


async def broken(browser: Browser, view: str) -> list[str]:
    """What breaks a rule in any look of what is shown."""
    found = []
    for look, (width, dark) in LOOKS.items():
        await browser.do("resize", width=width, height=860)
        await browser.do("dark", on=dark)
        await browser.picture(f"rules-{view}-{look}")
        found += [f"{view}, {look}: {rule}" for rule in await browser.do("axe")]
    await browser.do("resize", width=1280, height=860)
    await browser.do("dark", on=False)
    return found


async def test_rules_hold_in_every_view(browser: Browser) -> None:
    script = (delta(MARKDOWN), choice_finished(), usage(1200, 340))
    async with serving({"vendor": Scripted(*script)}, SETTINGS) as served:
        await browser.do("goto", url=address(served))
        await browser.do("wait", selector="select option[value*='/']")
        found = await broken(browser, "empty")
        await run(browser, "Write something.")
        await browser.until(DONE)
        await browser.do("evaluate", expression=OPEN)
        found += await broken(browser, "play")
        await compare(browser, address(served, "#/compare"))
        found += await broken(browser, "compare")
        await browser.do("goto", url=address(served, "#/operations"))
        await browser.do("wait", selector=".state.succeeded")
        found += await broken(browser, "operations")
        await browser.do("goto", url=address(served, "#/service"))
        await browser.do("wait", selector="meter")
        found += await broken(browser, "service")

    assert not found, "\n".join(found)


async def compare(browser: Browser, url: str) -> None:
    await browser.do("goto", url=url)
    await browser.do("click", selector=".checks input[value='vendor/scripted']")
    await browser.do("fill", selector=".compare textarea", text="Well?")
    await browser.do("click", selector="button.primary")
    await browser.until("document.querySelector('.compare').dataset.state === 'done'")


async def test_rules_hold_for_an_error(browser: Browser) -> None:
    async with serving({"vendor": Scripted()}) as served:
        await browser.do("goto", url=address(served, "#/play?operation=operations/none"))
        await browser.do("wait", selector=".answer .error")
        found = await broken(browser, "failed")

    assert not found, "\n".join(found)
