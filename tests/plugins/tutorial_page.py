"""A page of docs/ that shows a package file by file and the commands that build, prove and serve it."""

from __future__ import annotations

import re
from pathlib import Path

from scratch_environment import ScratchEnvironment

DOCS = Path(__file__).parents[2] / "docs"


class TutorialPage:
    """The page `name`: its files by path, in the order of the page, and its commands, the first of which installs."""

    def __init__(self, name: str) -> None:
        text = (DOCS / name).read_text()
        self.files: dict[str, str] = dict(re.findall(r"^`([^`\n]+)`\n\n```\w+\n(.*?)^```$", text, re.M | re.S))
        self.console = "".join(re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S))
        install, *self.commands = re.findall(r"^\$ (.+)$", self.console, re.M)
        self._package = install.removeprefix("pip install ")

    def install(self, folder: Path) -> ScratchEnvironment:
        """An environment in `folder` with the page's files in its folder and the page's package installed."""
        environment = ScratchEnvironment(folder)
        for name, text in self.files.items():
            path = environment.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        environment.install(environment.folder / self._package)
        return environment
