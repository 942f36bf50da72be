"""Fixtures for the fault suite: a scripted upstream, and a service in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from deliveries import Door, door_of
from dragoman_service.testing.serving import serving
from scripted_upstream import Upstream, upstream_of
from upstream_bytes import KEY

Serve = Callable[..., Awaitable[Door]]
ONE_ATTEMPT = {"routing.max_attempts": 1, "routing.breaker": False}
"""So that a fault is seen as it is: these tests are about one attempt."""


@asynccontextmanager
async def opened(url: str, server: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[Door]:
    """A service with one provider, `faulty`, whose model is `m` at `url`. `settings` are the provider's."""
    table = {"plugin": "openai", "base_url": url, "models": ["m"], "api_key": KEY, **settings}
    more = {f"server.{name}": value for name, value in (server or {}).items()}
    async with serving(None, {"providers": {"faulty": table}, **ONE_ATTEMPT, **more}) as served:
        yield door_of(served)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with upstream_of() as upstream:
        yield upstream


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts services: see `opened`."""
    async with AsyncExitStack() as stack:

        async def start(*arguments: Any, **settings: Any) -> Door:
            return await stack.enter_async_context(opened(*arguments, **settings))

        yield start


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _standing() -> AsyncIterator[tuple[Upstream, Door]]:
    async with upstream_of() as upstream, opened(upstream.url) as door:
        yield upstream, door


@pytest.fixture
def standing(_standing: tuple[Upstream, Door]) -> tuple[Upstream, Door]:
    """An upstream and a service in front of it, shared by all tests of a module, which run in its event loop."""
    upstream, _ = _standing
    upstream.requests.clear()
    return _standing
