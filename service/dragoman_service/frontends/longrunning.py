"""google.longrunning.Operations over gRPC: the standard stubs of any language can read and cancel operations."""

from __future__ import annotations

from typing import Any

from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from grpc import aio

from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.operations import Operations
from dragoman_service.transport.call_context import call_context
from dragoman_service.validation.rpcs import check_operation_name, check_timeout

COLLECTION = "operations"
LONGEST_WAIT = 25.0
"""Seconds that one WaitOperation waits: by default, and if a request asks for more. The standard allows an earlier
answer, and proxies end calls that are silent for a minute."""
WAIT_MARGIN = 0.1  # seconds before the caller's deadline at which it answers, so that the answer arrives in time

Context = aio.ServicerContext[Any, Any]


class LongRunning(operations_pb2_grpc.OperationsServicer):
    """Serves the five methods. All raise CompletionError."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def GetOperation(
        self, request: operations_pb2.GetOperationRequest, context: Context
    ) -> operations_pb2.Operation:
        return await self._operations.get(check_operation_name(request.name), call_context(context).caller)

    async def ListOperations(
        self, request: operations_pb2.ListOperationsRequest, context: Context
    ) -> operations_pb2.ListOperationsResponse:
        if request.name not in ("", COLLECTION):
            raise invalid(FieldViolation("name", f"should be {COLLECTION!r} or empty"))
        return await self._operations.list(
            call_context(context).caller, request.filter, request.page_size, request.page_token
        )

    async def WaitOperation(
        self, request: operations_pb2.WaitOperationRequest, context: Context
    ) -> operations_pb2.Operation:
        timeout = check_timeout(request.timeout) if request.HasField("timeout") else LONGEST_WAIT
        remaining = context.time_remaining()
        if remaining is not None:
            timeout = min(timeout, remaining - WAIT_MARGIN)
        return await self._operations.wait(
            check_operation_name(request.name), call_context(context).caller, min(timeout, LONGEST_WAIT)
        )

    async def CancelOperation(self, request: operations_pb2.CancelOperationRequest, context: Context) -> Empty:
        await self._operations.cancel(check_operation_name(request.name), call_context(context).caller)
        return Empty()

    async def DeleteOperation(self, request: operations_pb2.DeleteOperationRequest, context: Context) -> Empty:
        await self._operations.delete(check_operation_name(request.name), call_context(context).caller)
        return Empty()
