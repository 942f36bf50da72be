"""The service as Anthropic's clients need it: their model names, and models that call a tool or think."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from documented import settings
from seed_server import SETTINGS, SeedServer, serving

PAGE = "anthropic.md"
"""The page of the docs that maps the vendor's names to a model."""
MODELS = """
[providers.weather]
plugin = "echo"
text = "It snows in Oslo."
reasoning = "Let me see."
reasoning_state = "signed"
tool_calls = [{ name = "weather", arguments = { city = "Oslo" } }]

[providers.thinker]
plugin = "echo"
text = "Yes."
reasoning = "Let me see."
reasoning_state = "signed"
cached_input_tokens = 1

[models.weather]
targets = ["weather/echo"]
[models.thinker]
targets = ["thinker/echo"]
[models.overloaded]
targets = ["overloaded/echo"]
"""


@contextmanager
def serving_anthropic(folder: Path) -> Iterator[SeedServer]:
    """The service, until the context ends."""
    with serving(folder, f"{SETTINGS}\n{MODELS}\n{settings(PAGE)}") as served:
        yield served
