"""A scripted server, and each of the two clients connected to it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest
from dragoman import AsyncClient, Client
from either_client import CLIENTS, ask
from scripted_service import ScriptedService, serving


@pytest.fixture(autouse=True)
def no_defaults_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRAGOMAN_TARGET", raising=False)
    monkeypatch.delenv("DRAGOMAN_API_KEY", raising=False)


@pytest.fixture
async def service() -> ScriptedService:
    return ScriptedService()


@pytest.fixture
async def address(service: ScriptedService) -> AsyncIterator[str]:
    async with serving(service) as address:
        yield address


@pytest.fixture
def free_address() -> str:
    """An address on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def options() -> dict[str, float]:
    """Keyword arguments of `client`, for tests that override them."""
    return {}


@pytest.fixture(params=CLIENTS)
async def client(
    request: pytest.FixtureRequest, address: str, options: dict[str, float]
) -> AsyncIterator[Client | AsyncClient]:
    client = request.param(address, **options)
    try:
        yield client
    finally:
        await ask(client.close)
