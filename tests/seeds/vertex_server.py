"""The service as Vertex AI's clients need it: their names of models, an answer that is blocked, and TLS for gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seed_server import SETTINGS
from tls_server import TlsServer, serving_tls

FAMILIES = ("text", "chat", "code", "codechat")
FILTER = """
[filters.house]
plugin = "patterns"
[filters.house.categories.weapons]
words = ["dynamite"]
on = "answer"
"""
EMBEDDED, ECHO = "local/smollm2-135m-instruct", "echo/echo"
CONTEXT = 256
"""Tokens of prompt and answer together: the programs allow for more, and a small model rambles."""


@contextmanager
def serving_vertex(folder: Path) -> Iterator[TlsServer]:
    """The service, with three models of each family, until the context ends.

    Behind `text-bison` and `chat-bison` is the embedded model, behind `code-bison` and `codechat-bison` is echo. Models
    named `echo` are echo, those named `filtered` are behind a filter too.
    """
    named = (
        f'[models."{family}-{word}"]\ntargets = ["{target}"]\nfilters = {["house"] if word == "filtered" else []}'
        for family in FAMILIES
        for word, target in (("bison", ECHO if "code" in family else EMBEDDED), ("echo", ECHO), ("filtered", ECHO))
    )
    short = SETTINGS.replace("[providers.local]", f"[providers.local]\ncontext_tokens = {CONTEXT}")
    with serving_tls(folder, "\n".join((FILTER, *named)), short) as served:
        yield served
