"""google.longrunning.Operations: the standard stubs of any language can read and cancel operations."""

from __future__ import annotations

import asyncio

from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.operations import Operations
from dragoman_service.transport.call_context import CallContext
from dragoman_service.validation.rpcs import check_operation_name, check_timeout

COLLECTION = "operations"
LONGEST_WAIT = 25.0
"""Seconds that one WaitOperation waits: by default, and if a request asks for more. The standard allows an earlier
answer, and proxies end calls that are silent for a minute."""
WAIT_MARGIN = 0.1  # seconds before the caller's deadline at which it answers, so that the answer arrives in time


class LongRunning:
    """Serves the five methods. All raise CompletionError."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def get(self, request: operations_pb2.GetOperationRequest, call: CallContext) -> operations_pb2.Operation:
        return await self._operations.get(check_operation_name(request.name), call.caller)

    async def list(
        self, request: operations_pb2.ListOperationsRequest, call: CallContext
    ) -> operations_pb2.ListOperationsResponse:
        if request.name not in ("", COLLECTION):
            raise invalid(FieldViolation("name", f"should be {COLLECTION!r} or empty"))
        return await self._operations.list(call.caller, request.filter, request.page_size, request.page_token)

    async def wait(self, request: operations_pb2.WaitOperationRequest, call: CallContext) -> operations_pb2.Operation:
        timeout = check_timeout(request.timeout) if request.HasField("timeout") else LONGEST_WAIT
        remaining = call.deadline - asyncio.get_running_loop().time()
        timeout = min(timeout, remaining - WAIT_MARGIN, LONGEST_WAIT)
        return await self._operations.wait(check_operation_name(request.name), call.caller, timeout)

    async def cancel(self, request: operations_pb2.CancelOperationRequest, call: CallContext) -> Empty:
        await self._operations.cancel(check_operation_name(request.name), call.caller)
        return Empty()

    async def delete(self, request: operations_pb2.DeleteOperationRequest, call: CallContext) -> Empty:
        await self._operations.delete(check_operation_name(request.name), call.caller)
        return Empty()
