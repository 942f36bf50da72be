"""Fixtures for the tests of the engine."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from waiting import until


@pytest.fixture
async def nothing_is_left() -> AsyncIterator[None]:
    """No task outlives the test, and no exception stays unretrieved."""
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    yield
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})

    assert not complaints
