"""Entry points of installed distributions, even if the metadata of one of them is broken."""

from __future__ import annotations

from importlib.metadata import Distribution, EntryPoint, EntryPoints
from typing import Any

_READ: Any = Distribution.entry_points  # a property


def read_entry_points(distribution: Distribution) -> list[EntryPoint]:
    """The distribution's entry points. Raises anything if its file is broken."""
    return list(_READ.fget(distribution))


def tolerate_broken_metadata() -> None:
    """Lets a distribution with a broken file have no entry points, for everything in this process.

    Libraries that we use, such as Pydantic and Alembic, look for plugins of their own when they are imported. One
    broken file anywhere would keep them, and so the service, from starting. `broken_distributions` names it.
    """
    Distribution.entry_points = property(_readable)  # type: ignore[assignment, method-assign]


def _readable(distribution: Distribution) -> EntryPoints:
    try:
        return EntryPoints(read_entry_points(distribution))
    except Exception:  # noqa: BLE001 - its file may hold anything
        return EntryPoints(())
