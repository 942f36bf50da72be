"""Encodes operations: ours as Yandex Cloud shows its own."""

from __future__ import annotations

from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from google.longrunning import operations_pb2
from google.rpc.status_pb2 import Status

from dragoman_service.dialects.yandex.names import DESCRIPTION, RESPONSE_TYPE
from dragoman_service.dialects.yandex.server.response import encode_completion
from dragoman_service.errors import CompletionError

_PREFIX = "operations/"


def encode_operation(operation: operations_pb2.Operation) -> y.Operation:
    """The same operation. Its response is a CompletionResponse under the vendor's type name."""
    metadata = v1.CompletionOperationMetadata()
    operation.metadata.Unpack(metadata)
    encoded = y.Operation(
        id=operation.name.removeprefix(_PREFIX),
        description=DESCRIPTION,
        created_at=metadata.create_time,
        created_by=metadata.created_by,
        modified_at=metadata.update_time,
        done=operation.done,
    )
    match operation.WhichOneof("result"):
        case "error":
            _set_error(encoded, operation.error)
        case "response":
            _set_response(encoded, operation)
    return encoded


def operation_name(operation_id: str) -> str:
    """The name in google.longrunning of the operation with the vendor's `operation_id`."""
    return f"{_PREFIX}{operation_id}"


def _set_response(encoded: y.Operation, operation: operations_pb2.Operation) -> None:
    completion = v1.Completion()
    operation.response.Unpack(completion)
    try:
        value = encode_completion(completion).SerializeToString()
    except CompletionError as error:  # this dialect cannot express the answer
        _set_error(encoded, error.status(encoded.id))
    else:
        encoded.response.type_url, encoded.response.value = RESPONSE_TYPE, value


def _set_error(encoded: y.Operation, error: Status) -> None:
    """Without details: the vendor's newest client fails on any detail that it has no descriptor for."""
    encoded.error.code, encoded.error.message = error.code, error.message
