"""The settings and programs of docs/programs.md, and the environment that each program needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "programs.md"
ADDRESS, KEY = "http://127.0.0.1:8080", "dgm_YOUR_KEY"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXPORT = re.compile(r"^export (\w+)=(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the page. `environ` holds what the block of shell commands before it exports."""

    source: str
    environ: dict[str, str]

    @property
    def environments(self) -> tuple[str, ...]:
        """The client environments that it runs in."""
        return ("gray-swan",) if "gray_swan" in self.source else ("openai-1", "openai-3")

    def changed(self, address: str, key: str) -> Program:
        """The program after a reader has changed address and key."""
        environ = {name: value.replace(ADDRESS, address).replace(KEY, key) for name, value in self.environ.items()}
        return Program(self.source.replace(ADDRESS, address).replace(KEY, key), environ)


def settings() -> str:
    """The page's table of models."""
    return "".join(text for language, text in BLOCK.findall(PAGE.read_text()) if language == "toml")


def programs() -> Iterator[Program]:
    """The page's programs, from top to bottom."""
    environ: dict[str, str] = {}
    for language, text in BLOCK.findall(PAGE.read_text()):
        if language == "sh":
            environ = dict(EXPORT.findall(text))
        elif language == "python":
            yield Program(text, environ)
            environ = {}
