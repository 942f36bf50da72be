"""Fixtures for the fault suite: a scripted upstream, a service in front of it, and what that service logs."""

from __future__ import annotations

import io
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import structlog
from dragoman_service.telemetry.log import configure
from dragoman_service.testing.serving import serving
from four_forms import Door
from said import KEY
from upstream import Upstream, upstream_of

Serve = Callable[..., Awaitable[Door]]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with upstream_of() as upstream:
        yield upstream


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a service with one provider, `faulty`, of the model `m` at `url`; keyword arguments are its settings."""
    async with AsyncExitStack() as stack:

        async def start(url: str, server: dict[str, Any] | None = None, **settings: Any) -> Door:
            table = {"plugin": "openai", "base_url": url, "models": ["m"], "api_key": KEY, **settings}
            more = {f"server.{name}": value for name, value in (server or {}).items()}
            served = await stack.enter_async_context(serving(None, {"providers": {"faulty": table}, **more}))
            return Door(served.completions, served.running.grpc_address, served.running.http_address)

        yield start


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """Gives all that the service has logged so far, as it would stand on stderr."""
    configured, handlers, level = structlog.get_config(), logging.root.handlers, logging.root.level
    stream = io.StringIO()
    writer = configure("debug", "json", lambda: None, stream)

    def text() -> str:
        writer.close()
        return stream.getvalue()

    yield text
    writer.close()
    structlog.configure(**configured)
    logging.root.handlers = handlers
    logging.root.setLevel(level)
