"""Entry points of installed distributions, even if the metadata of one of them is broken."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, EntryPoints, distributions
from typing import Any

_READ: Any = Distribution.entry_points  # a property
_HEADER = re.compile(r"^(Name|Version):[ \t]*(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed distribution."""

    name: str
    """Empty if it cannot be read, as `version`."""
    version: str
    entries: tuple[EntryPoint, ...]
    fault: Exception | None = None
    """Why the entry points cannot be read."""


def installed_distributions() -> tuple[Installed, ...]:
    """All on the path. Of two with the same name the first on the path counts, as in importlib's `entry_points`.

    They are read again only when a folder of the path has changed, because there are dozens of files.
    """
    return _read_all(tuple((folder, _changed(folder)) for folder in sys.path))


def tolerate_broken_metadata() -> None:
    """Lets a distribution with a broken file have no entry points, for everything in this process.

    Libraries that we use, such as Pydantic and Alembic, look for plugins of their own when they are imported. One
    broken file anywhere would keep them, and so the service, from starting. `broken_distributions` names it.
    """
    Distribution.entry_points = property(_readable)  # type: ignore[assignment, method-assign]


def _readable(distribution: Distribution) -> EntryPoints:
    try:
        return EntryPoints(_READ.fget(distribution))
    except Exception:  # noqa: BLE001 - its file may hold anything
        return EntryPoints(())


def _changed(folder: str) -> int:
    """When names in the folder were last added or removed, in nanoseconds; 0 if there is no such folder."""
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=1)
def _read_all(path: tuple[tuple[str, int], ...]) -> tuple[Installed, ...]:
    """`path` is `sys.path` with the time at which each folder changed."""
    return tuple(_read_each())


def _read_each() -> Iterator[Installed]:
    seen = set[str]()
    for distribution in distributions():
        name, version = _read_name_and_version(distribution)
        normalized = re.sub(r"[-_.]+", "-", name).lower()
        if normalized and normalized in seen:
            continue
        seen.add(normalized)
        try:
            yield Installed(name, version, tuple(_READ.fget(distribution)))
        except Exception as fault:  # noqa: BLE001 - its file may hold anything
            yield Installed(name, version, (), fault)


def _read_name_and_version(distribution: Distribution) -> tuple[str, str]:
    """Empty if they cannot be read. `Distribution.metadata` would parse the whole file, which holds the README."""
    try:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except Exception:  # noqa: BLE001 - its file may hold anything
        return "", ""
    headers = dict(_HEADER.findall(text.partition("\n\n")[0]))
    return headers.get("Name", ""), headers.get("Version", "")
