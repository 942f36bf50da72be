"""What is told about the connections to the server of the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp
from dragoman_service.app import Running
from postgres_server import PostgresServer
from waiting import until


async def test_the_connections_to_the_server_of_the_store_are_counted(
    start_service: Callable[..., Awaitable[Running]], postgres: PostgresServer
) -> None:
    service = await start_service(operations={"url": postgres.url(await postgres.make_database())})

    async def counted() -> bool:
        return float((await told(service))['dragoman_store_connections{state="idle"}']) >= 1

    await until(counted)

    assert float((await told(service))["dragoman_store_reconnects_total"]) == 0


async def told(service: Running) -> dict[str, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{service.http_address}/metrics") as response:
        lines = (await response.text()).splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
