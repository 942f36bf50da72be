"""`dragoman workers`, and who may see them."""

from __future__ import annotations

import json

import pytest
from dragoman import AsyncClient, Client, PermissionDeniedError


def test_the_processes_of_a_service_are_listed(service):
    table = service.ask("workers")
    listed = service.ask("workers", "--json")
    with Client(service.target) as client:
        [worker] = client.workers()

    [row] = table.stdout.splitlines()[1:]
    assert row.split()[0] == worker.host
    assert "serve, run" in row
    assert "0 of 64" in row
    assert [one["id"] for one in json.loads(listed.stdout)] == [worker.id]


async def test_a_key_without_the_scope_sees_no_workers(start_service):
    keys = [{"id": "plain", "sha256": "a" * 64}]
    service = await start_service(access={"keys": keys, "anonymous": True})
    async with AsyncClient(service.grpc_address) as client:
        with pytest.raises(PermissionDeniedError) as refused:
            await client.workers()

    assert refused.value.reason == "SCOPE_MISSING"
