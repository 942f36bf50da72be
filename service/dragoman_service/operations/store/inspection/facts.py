"""What a look at a store finds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from dragoman_service.operations.sql.migrate import Migration, plan
from dragoman_service.operations.store.inspection.postgres import look_at_postgres
from dragoman_service.operations.store.inspection.sqlite import look_at_file
from dragoman_service.operations.store.postgres.connections import Pooling


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of a database server."""

    most: int
    """That it grants to users without privileges."""
    others: int
    """That others than Dragoman have now."""
    pooling: Pooling
    """What stands in front of it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a store is like."""

    migration: Migration
    """The steps that its tables lack."""
    connections: Connections | None
    """None: it has no limit of them."""
    ahead: float
    """Seconds by which its clock is ahead of this machine's."""


async def inspect_store(url: str, data_dir: Path, direct_url: str = "") -> Facts | None:
    """The facts of the SQL store at `url`. None: it keeps no tables, or is of another package.

    Raises OperationStoreError if it cannot be reached or is of a newer version, or if `direct_url` is given and leads
    elsewhere.
    """
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        return Facts(plan(await look_at_file(url, data_dir)), None, 0.0)
    if scheme not in ("postgres", "postgresql"):
        return None
    before = time.time()
    seen = await look_at_postgres(url, direct_url)
    here = (before + time.time()) / 2
    return Facts(plan(seen.steps), Connections(seen.most, seen.others, seen.pooling), seen.time - here)
