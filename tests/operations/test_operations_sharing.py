"""Callers share the slots of a service that has several of them."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from dragoman import v1
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.duration_pb2 import Duration
from waiting import until

SLOTS = 8


@pytest.mark.parametrize(("keys", "most"), [(("busy", "other"), 6), (("busy",), SLOTS)])
async def test_one_caller_has_all_slots_only_where_there_is_no_other(
    start_service: Callable[..., Awaitable[Any]], prompt: Callable[..., v1.CompletionRequest], keys: Any, most: int
) -> None:
    access = {"keys": [{"id": key, "sha256": hashlib.sha256(key.encode()).hexdigest()} for key in keys]}
    providers = {"echo": {"first_delay": "1h"}, "quick": {"plugin": "echo"}}
    service = await start_service(providers, access=access, operations={"concurrency": SLOTS})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub, operations = v1.CompletionServiceStub(channel), operations_pb2_grpc.OperationsStub(channel)

        async def start(key: str, model: str) -> operations_pb2.Operation:
            request = v1.StartCompletionRequest(request=prompt("x", model), priority=100 if key == "busy" else 0)
            return await stub.StartCompletion(request, metadata=(("authorization", f"Bearer {key}"),))

        for _ in range(3 * SLOTS):
            await start("busy", "echo/echo")
        await until(lambda: service.opened.providers["echo"].running == most)
        if "other" in keys:
            quick = await start("other", "quick/echo")
            waiting = operations_pb2.WaitOperationRequest(name=quick.name, timeout=Duration(seconds=10))
            done = await operations.WaitOperation(waiting, metadata=(("authorization", "Bearer other"),))

            assert done.HasField("response")

    assert service.opened.providers["echo"].running == most
