"""The guard tells a frontend who calls; nothing else does."""

from __future__ import annotations

import asyncio
import hashlib

import grpc
import pytest
from dragoman import v1
from dragoman_service.telemetry.record import CallRecord
from dragoman_service.transport.call_context import CallContext, GuardedContext, call_context
from google.longrunning import operations_pb2, operations_pb2_grpc

KEYS = {"keys": [{"id": name, "sha256": hashlib.sha256(f"key-of-{name}".encode()).hexdigest()} for name in "ab"]}


def context_of(caller: str) -> CallContext:
    return CallContext(CallRecord("s", "m", "unary", "id"), "id", deadline=5.0, hops=2, caller=caller)


def test_each_servicer_context_leads_to_its_own_call():
    one, other = context_of("a"), context_of("b")

    assert call_context(GuardedContext(None, one)) is one
    assert call_context(GuardedContext(None, other)).caller == "b"


def test_a_context_that_no_guard_passed_on_has_no_caller():
    with pytest.raises(LookupError, match="guard"):
        call_context(object())


def test_a_provider_gets_what_the_guard_found_out():
    context = context_of("a")
    call = context.call(streaming=True)

    assert (call.id, call.caller, call.deadline, call.hops, call.streaming) == (context.call_id, "a", 5.0, 2, True)
    assert call.record is context.record
    assert "record" not in repr(call)


async def test_callers_on_one_connection_see_only_what_is_theirs(start_service, prompt):
    service = await start_service(access=KEYS)
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub, operations = v1.CompletionServiceStub(channel), operations_pb2_grpc.OperationsStub(channel)

        async def names(caller: str) -> list[str]:
            key = [("authorization", f"Bearer key-of-{caller}")]
            for _ in range(5):
                await stub.StartCompletion(v1.StartCompletionRequest(request=prompt(caller)), metadata=key)
            listed = await operations.ListOperations(operations_pb2.ListOperationsRequest(), metadata=key)
            return [operation.name for operation in listed.operations]

        mine, yours = await asyncio.gather(names("a"), names("b"))

    assert (len(mine), len(yours)) == (5, 5)
    assert not set(mine) & set(yours)
