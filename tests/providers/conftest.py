"""Fixtures for tests of providers: the embedded model, run once for all of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from dragoman_service.providers.local.engine.own import EngineOptions, LocalEngine, running_engine
from dragoman_service.providers.local.provider import LocalProvider, LocalSettings, connected
from local_asking import Busy, asking
from openai_serving import Serve


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of fetched models."""
    monkeypatch.setenv("DRAGOMAN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture(scope="session")
def engine(weights: Path) -> Iterator[LocalEngine]:
    """An engine with two slots of 2,048 tokens, in an event loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = running_engine(EngineOptions(weights, "smollm2-135m-instruct", threads=1, slots=2, context_tokens=2048))
    try:
        yield asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result()
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
async def local(engine: LocalEngine, weights: Path) -> AsyncIterator[LocalProvider]:
    async with connected(engine, LocalSettings(), weights) as provider:
        yield provider


@pytest.fixture
async def busy(engine: LocalEngine) -> AsyncIterator[Busy]:
    """Returns how many requests the engine works on or has queued, by its own metrics."""
    async with asking(engine.socket) as ask:
        yield ask


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts scripted upstreams and their providers."""
    async with AsyncExitStack() as stack:
        yield Serve(stack)
