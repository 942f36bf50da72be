"""Drives Chromium for tests in another environment: commands as JSON in lines of input, outcomes in lines of output.

It runs under build/browser, where playwright is, and uses the Chromium of the system.
"""

import base64
import json
import shutil
import sys
import time

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Page, sync_playwright

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
SIZE = {"width": 1280, "height": 860}


class Driver:
    """One page, with what it wrote to the console and which hosts it asked."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._said: list[str] = []
        self._asked: set[str] = set()
        page.on("console", lambda line: self._said.append(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: self._said.append(f"error: {error}"))
        page.on("request", lambda request: self._asked.add(request.url.split("/")[2]))

    def goto(self, url: str) -> None:
        self._page.goto(url)

    def reload(self) -> None:
        self._page.reload()

    def url(self) -> str:
        return self._page.url

    def click(self, selector: str) -> None:
        self._page.click(selector)

    def fill(self, selector: str, text: str) -> None:
        self._page.fill(selector, text)

    def select(self, selector: str, value: str) -> None:
        self._page.select_option(selector, value)

    def attach(self, selector: str, file: str, media_type: str, data: str) -> None:
        content = {"name": file, "mimeType": media_type, "buffer": base64.b64decode(data)}
        self._page.set_input_files(selector, content)

    def press(self, keys: str) -> None:
        self._page.keyboard.press(keys)

    def type(self, text: str) -> None:
        self._page.keyboard.type(text)

    def wait(self, selector: str, seconds: float = 20.0) -> None:
        self._page.wait_for_selector(selector, timeout=1000 * seconds, state="attached")

    def until(self, expression: str, seconds: float = 20.0) -> object:
        # The library's own function for it evaluates text in the page, which the page's policy forbids.
        end = time.monotonic() + seconds
        while not (value := self._page.evaluate(expression)):
            if time.monotonic() > end:
                raise Error(f"it is still {value!r} after {seconds} s")
            self._page.wait_for_timeout(20)
        return value

    def evaluate(self, expression: str) -> object:
        return self._page.evaluate(expression)

    def text(self, selector: str) -> str:
        return self._page.inner_text(selector)

    def resize(self, width: int, height: int) -> None:
        self._page.set_viewport_size({"width": width, "height": height})

    def dark(self, *, on: bool = True) -> None:
        self._page.emulate_media(color_scheme="dark" if on else "light")

    def axe(self) -> list[str]:
        """What breaks a rule of axe-core: rule, element, why. The driver injects it, so the page's policy holds."""
        broken = Axe().run(self._page).response["violations"]
        return [
            f"{rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
            for rule in broken
            for node in rule["nodes"]
        ]

    def picture(self, path: str) -> None:
        self._page.screenshot(path=path)

    def said(self) -> list[str]:
        return self._said

    def asked(self) -> list[str]:
        return sorted(self._asked)


def main() -> None:
    with sync_playwright() as library:
        browser = library.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)
        driver = Driver(browser.new_page(viewport=SIZE))
        for line in sys.stdin:
            name, given = json.loads(line)
            try:
                outcome = {"value": getattr(driver, name)(**given)}
            except Error as error:
                outcome = {"error": str(error)}
            sys.stdout.write(json.dumps(outcome) + "\n")
            sys.stdout.flush()
        browser.close()


if __name__ == "__main__":
    main()
