"""The settings of the console."""

from __future__ import annotations

from typing import Annotated

from dragoman_service.settings.strings import matches
from dragoman_service.settings.types import Section


class ConsoleSettings(Section):
    """A page for people on the HTTP listener, at `path`."""

    enabled: bool | None = None
    """Default: on a loopback address."""
    path: Annotated[str, matches(r"(/[A-Za-z0-9._~-]+)+", "a path such as '/console'")] = "/console"
