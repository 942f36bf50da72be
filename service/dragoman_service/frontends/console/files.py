"""The files of the console, as they are installed."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

from dragoman_service.transport.http.page import Page


def read_page() -> Page:
    """The page: `index.html`, which names the other files below a version, and those files."""
    found = dict(_files(files("dragoman_service.frontends.console") / "page", ""))
    return Page(found.pop("index.html"), found)


def _files(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for one in sorted(folder.iterdir(), key=lambda one: one.name):
        if one.is_dir():
            found += _files(one, f"{prefix}{one.name}/")
        else:
            found.append((f"{prefix}{one.name}", one.read_bytes()))
    return found
