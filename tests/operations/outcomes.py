"""How these tests look at operations and errors."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest
from dragoman_service.errors import CompletionError
from dragoman_service.testing.operation_laws.replicas.replica import Replica
from dragoman_service.testing.operation_laws.stage import metadata_of
from waiting import until


async def until_state(worker: Replica, name: str, state: int) -> None:
    async def reached() -> bool:
        return metadata_of(await worker.get(name)).state == state

    await until(reached)


async def refused(call: Awaitable[object]) -> CompletionError:
    """The error that `call` has to raise."""
    with pytest.raises(CompletionError) as caught:
        await call
    return caught.value


def signed(worker: Replica, call: int = 1) -> str:
    """The answer that the worker's provider gives to its call of that number."""
    return f"{worker.provider.name}.{call} " * 2
