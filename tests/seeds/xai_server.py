"""The service as xAI's client needs it with TLS: our own certificate authority, and the model names of its page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from documented import settings
from tls_server import TlsServer, serving_tls

PAGE = "xai.md"
"""The page of the docs that maps the vendor's names to a model."""


@contextmanager
def serving_xai(folder: Path) -> Iterator[TlsServer]:
    """The service, until the context ends."""
    with serving_tls(folder, settings(PAGE)) as served:
        yield served
