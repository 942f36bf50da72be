"""A ledger in a folder of the test's own, and workers on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dragoman_service.catalogue import Catalogue
from dragoman_service.engine import Engine
from dragoman_service.operations import open_operations
from dragoman_service.operations.pace import Pace
from gated_provider import GatedProvider
from operation_worker import Counting, Options, Worker

OpenWorker = Callable[..., Awaitable[Worker]]


@pytest.fixture
async def open_worker(tmp_path: Path) -> AsyncIterator[OpenWorker]:
    """Opens a worker on the test's ledger; keyword arguments change its options."""
    async with AsyncExitStack() as stack:

        async def open_one(pace: Pace | None = None, **options: Any) -> Worker:
            provider, chosen = GatedProvider(), replace(Options(), **options)
            engine, observer = Engine(Catalogue({"tests": provider}, {})), Counting()
            opened = open_operations(chosen, tmp_path, engine, observer, pace or Pace(poll=0.1, count=0.05))
            operations = await stack.enter_async_context(opened)
            return Worker(operations, provider, engine, chosen, observer.outcomes, observer.counts)

        yield open_one


@pytest.fixture
async def worker(open_worker: OpenWorker) -> Worker:
    return await open_worker()
