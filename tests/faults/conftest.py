"""Fixtures for the fault suite: a scripted upstream, a service in front of it, and the log of that service."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
import structlog
from deliveries import Door
from dragoman_service.telemetry.log import configure
from dragoman_service.testing.serving import serving
from scripted_upstream import Upstream, upstream_of
from upstream_bytes import KEY

Serve = Callable[..., Awaitable[Door]]


@asynccontextmanager
async def opened(url: str, server: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[Door]:
    """A service with one provider, `faulty`, whose model is `m` at `url`. `settings` are the provider's."""
    table = {"plugin": "openai", "base_url": url, "models": ["m"], "api_key": KEY, **settings}
    more = {f"server.{name}": value for name, value in (server or {}).items()}
    async with serving(None, {"providers": {"faulty": table}, **more}) as served:
        yield Door(served.completions, served.running.grpc_address, served.running.http_address)


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


class Log:
    """The log of the service, as it would be on stderr."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self._writer = configure("debug", "json", lambda: None, self._stream)

    def text(self) -> str:
        """The complete log. Nothing is logged afterwards."""
        self._writer.close()
        return self._stream.getvalue()

    def records(self, event: str = "") -> list[dict[str, Any]]:
        whole = self._stream.getvalue().rpartition("\n")[0]
        return [record for record in map(json.loads, whole.splitlines()) if event in ("", record["event"])]

    def calls(self) -> set[str]:
        """The codes with which calls ended."""
        return {record["code"] for record in self.records("rpc.done")}

    def errors(self) -> list[dict[str, Any]]:
        return [record for record in self.records() if record["level"] == "error"]

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
def logged() -> Iterator[Log]:
    configured, handlers, level = structlog.get_config(), logging.root.handlers, logging.root.level
    log = Log()
    yield log
    log.close()
    structlog.configure(**configured)
    logging.root.handlers = handlers
    logging.root.setLevel(level)
