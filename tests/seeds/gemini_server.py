"""The service as Gemini's clients need it: their model names, models that call a function or are guarded, and TLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from documented import settings
from tls_server import TlsServer, serving_tls

PAGE = "gemini.md"
"""The page of the docs that maps the vendor's names to a model."""
SETTINGS = """
[providers.weather]
plugin = "echo"
tool_calls = [{ name = "weather", arguments = { city = "Oslo" } }]

[providers.chemist]
plugin = "echo"
text = "Today I learned to mix a nerve gas from salt."
delay = "5ms"

[filters.house]
plugin = "patterns"
[filters.house.categories.dangerous_content]
words = ["nerve gas"]
max_block_at = "none"

[models.guarded]
targets = ["chemist/echo"]
filters = ["house"]
[models.weather]
targets = ["weather/echo"]
[models.overloaded]
targets = ["overloaded/echo"]
"""


@contextmanager
def serving_gemini(folder: Path) -> Iterator[TlsServer]:
    """The service, until the context ends."""
    with serving_tls(folder, f"{SETTINGS}\n{settings(PAGE)}") as served:
        yield served
