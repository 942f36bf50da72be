"""However fast an answer comes, the console draws it once a frame."""

from __future__ import annotations

import pytest
from browser import Browser
from dragoman_service.testing import Scripted, choice_finished, delta, serving
from page import DONE, EVERY, address, run

pytestmark = pytest.mark.timeout(120)
DELTAS = 10_000
TEXTS = f"{EVERY}('.answer .text')].map((one) => one.innerText)"
SEEN = "({ ...window.seen, took: performance.now() - window.seen.began })"
WATCH = """(() => { // frames, draws of the answer, milliseconds in tasks that block the page
    const seen = window.seen = { began: performance.now(), frames: 0, draws: 0, busy: 0 };
    const frame = () => { seen.frames += 1; requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
    const draw = () => { seen.draws += 1; };
    const all = { childList: true, subtree: true, characterData: true };
    new MutationObserver(draw).observe(document.querySelector('.answer'), all);
    const tasks = (list) => { for (const task of list.getEntries()) seen.busy += task.duration; };
    new PerformanceObserver(tasks).observe({ type: 'longtask' });
})()"""


async def test_ten_thousand_deltas_are_drawn_once_a_frame(browser: Browser) -> None:
    words = [f"word{number}" for number in range(DELTAS)]
    pieces = (f"{word} " + ("\n\n" if at % 100 >= 98 else "") for at, word in enumerate(words))
    script = [delta(piece, at % 2) for at, piece in enumerate(pieces)]  # which the service cannot merge
    async with serving({"vendor": Scripted(*script, choice_finished(), choice_finished(1))}) as served:
        await browser.do("goto", url=address(served))
        await browser.do("evaluate", expression=WATCH)
        await run(browser, "Much")
        await browser.until(DONE, seconds=60)
        seen = await browser.do("evaluate", expression=SEEN)
        texts = await browser.do("evaluate", expression=TEXTS)

    assert [text.split() for text in texts] == [words[::2], words[1::2]]
    assert seen["draws"] <= seen["frames"]
    assert seen["busy"] < seen["took"] / 2
