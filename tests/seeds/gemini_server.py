"""The service as Gemini's clients need it: their model names, a model that calls a function, and TLS for gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tls_server import TlsServer, serving_tls

SETTINGS = """
[providers.weather]
plugin = "echo"
tool_calls = [{ name = "weather", arguments = { city = "Oslo" } }]

[models."gemini-*"]
targets = ["local/smollm2-135m-instruct"]
[models.weather]
targets = ["weather/echo"]
[models.overloaded]
targets = ["overloaded/echo"]
"""


@contextmanager
def serving_gemini(folder: Path) -> Iterator[TlsServer]:
    """The service, until the context ends."""
    with serving_tls(folder, SETTINGS) as served:
        yield served
