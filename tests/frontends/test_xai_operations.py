"""Deferred answers beside the operations that they are, repeated calls, and a service that leaves nothing out."""

from __future__ import annotations

import grpc
import pytest
from dragoman.dialect.xai import v1 as x
from dragoman_service.testing.serving import serving
from google.longrunning import operations_pb2, operations_pb2_grpc
from waiting import until
from xai_client import Xai, asking, xai_at


async def test_a_cancelled_operation_is_expired(start_service):
    service = await start_service()
    async with xai_at(service.grpc_address) as xai, grpc.aio.insecure_channel(service.grpc_address) as channel:
        started = await xai.start(asking(script='{"first_delay": "60s"}'))
        pending = await xai.deferred(started.request_id)
        name = f"operations/{started.request_id}"
        operations = operations_pb2_grpc.OperationsStub(channel)
        await operations.CancelOperation(operations_pb2.CancelOperationRequest(name=name))

        async def is_over() -> bool:
            return (await xai.deferred(started.request_id)).status != x.PENDING

        await until(is_over)
        after = await xai.deferred(started.request_id)

    assert pending.status == x.PENDING
    assert after.status == x.EXPIRED


async def test_a_call_with_the_same_key_is_answered_once(start_service):
    service = await start_service()
    async with xai_at(service.grpc_address) as xai:
        key = (("idempotency-key", "key-1"),)
        first = await xai.sample(asking(), metadata=key)
        again = await xai.sample(asking(), metadata=key)
        started = [(await xai.start(asking("later"), metadata=(("idempotency-key", "key-2"),))) for _ in range(2)]

    assert again.id == first.id
    assert started[0] == started[1]


async def test_a_service_that_leaves_nothing_out_refuses_it():
    async with serving(settings={"providers": {"echo": {}}, "frontends": {"xai": {"unsupported": "reject"}}}) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Xai(served.channel).sample(asking(max_turns=3))

    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith("max_turns: ")
