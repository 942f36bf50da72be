"""The settings and programs of a page of the docs, and the environment that each program needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "programs.md"
ADDRESS, SECURE, KEY = "http://127.0.0.1:8080", "completions.example.com:443", "dgm_YOUR_KEY"
"""What a reader changes: the address over HTTP, that over gRPC with TLS, and the key."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXPORT = re.compile(r"^export (\w+)=(.*)$", re.MULTILINE)

ENVIRONMENTS = {
    "gray_swan": ("gray-swan",),
    "@anthropic-ai/sdk": ("node",),
    "anthropic": ("anthropic-0", "anthropic-1", "anthropic-2"),
    "@google/genai": ("node",),
    "generativelanguage": ("vertex-2.7",),
    "from google import genai": ("genai-1", "genai-2", "genai-3"),
}
"""The client environments of programs that are not OpenAI's, by what stands in them."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the page. `environ` holds what the block of shell commands before it exports."""

    source: str
    environ: dict[str, str]

    @property
    def environments(self) -> tuple[str, ...]:
        """The client environments that it runs in."""
        return next((found for word, found in ENVIRONMENTS.items() if word in self.source), ("openai-1", "openai-3"))

    def changed(self, address: str, key: str, secure: str = "") -> Program:
        """The program after a reader has changed address and key."""

        def new(text: str) -> str:
            return text.replace(ADDRESS, address).replace(SECURE, secure).replace(KEY, key)

        return Program(new(self.source), {name: new(value) for name, value in self.environ.items()})


def settings(page: str = PAGE) -> str:
    """The page's table of models."""
    blocks = BLOCK.findall((DOCS / page).read_text())
    return "".join(text for language, text in blocks if language == "toml" and text.startswith("[models."))


def programs(page: str = PAGE) -> Iterator[Program]:
    """The page's programs, from top to bottom."""
    environ: dict[str, str] = {}
    for language, text in BLOCK.findall((DOCS / page).read_text()):
        if language == "sh":
            environ = dict(EXPORT.findall(text))
        elif language in ("python", "js"):
            yield Program(text, environ)
            environ = {}
