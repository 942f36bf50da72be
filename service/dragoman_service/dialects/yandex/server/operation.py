"""Our operations as Yandex Cloud shows them."""

from __future__ import annotations

from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from google.longrunning import operations_pb2
from google.rpc.status_pb2 import Status

from dragoman_service.dialects.yandex.names import DESCRIPTION, RESPONSE_TYPE
from dragoman_service.dialects.yandex.server.response import completion_response
from dragoman_service.errors import CompletionError

_PREFIX = "operations/"


def operation(ours: operations_pb2.Operation) -> y.Operation:
    """The same operation; its answer is a CompletionResponse under the vendor's name."""
    known = v1.CompletionOperationMetadata()
    ours.metadata.Unpack(known)
    shown = y.Operation(
        id=ours.name.removeprefix(_PREFIX),
        description=DESCRIPTION,
        created_at=known.create_time,
        created_by=known.created_by,
        modified_at=known.update_time,
        done=ours.done,
    )
    match ours.WhichOneof("result"):
        case "error":
            _fail(shown, ours.error)
        case "response":
            _answer(shown, ours)
    return shown


def operation_name(operation_id: str) -> str:
    """The name of the operation in google.longrunning."""
    return f"{_PREFIX}{operation_id}"


def _answer(shown: y.Operation, ours: operations_pb2.Operation) -> None:
    completion = v1.Completion()
    ours.response.Unpack(completion)
    try:
        value = completion_response(completion).SerializeToString()
    except CompletionError as error:  # it cannot be told in this API
        _fail(shown, error.status(shown.id))
    else:
        shown.response.type_url, shown.response.value = RESPONSE_TYPE, value


def _fail(shown: y.Operation, error: Status) -> None:
    """Without details: the vendor's newest client fails over any that it has no descriptor of."""
    shown.error.code, shown.error.message = error.code, error.message
