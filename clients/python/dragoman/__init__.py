"""Client of Dragoman, the gRPC gateway in front of language models.

`Client` is for blocking code and `AsyncClient` for asyncio; both have the same methods. `dragoman.v1` holds the
messages of the API.
"""

from dragoman.aio import AsyncClient
from dragoman.answer import text_of, tool_calls_of
from dragoman.channel import TLS
from dragoman.client import Client
from dragoman.errors import (
    AbortedError,
    AlreadyExistsError,
    BrokenStreamError,
    CancelledError,
    DataLossError,
    DeadlineExceededError,
    DragomanError,
    FailedPreconditionError,
    FieldViolation,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    QuotaViolation,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)
from dragoman.operation import AsyncOperationHandle, OperationHandle, completion_of, metadata_of
from dragoman.request import Options, Prompt, StartOptions

__all__ = [
    "TLS",
    "AbortedError",
    "AlreadyExistsError",
    "AsyncClient",
    "AsyncOperationHandle",
    "BrokenStreamError",
    "CancelledError",
    "Client",
    "DataLossError",
    "DeadlineExceededError",
    "DragomanError",
    "FailedPreconditionError",
    "FieldViolation",
    "InternalError",
    "InvalidArgumentError",
    "NotFoundError",
    "OperationHandle",
    "Options",
    "OutOfRangeError",
    "PermissionDeniedError",
    "Prompt",
    "QuotaViolation",
    "ResourceExhaustedError",
    "StartOptions",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownError",
    "completion_of",
    "metadata_of",
    "text_of",
    "tool_calls_of",
]
