"""Decodes errors: the status of a call or of an operation."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2
from google.rpc.status_pb2 import Status

from dragoman_service.dialects.upstream_errors import failure_of_grpc_code, rejected
from dragoman_service.errors import CompletionError, too_many_hops

_M = TypeVar("_M", bound=Message)


def decode_error(status: Status) -> CompletionError:
    """The error of a call that failed, or of an operation."""
    name = code_pb2.Code.Name(status.code) if status.code in code_pb2.Code.values() else str(status.code)
    if _detail(status, error_details_pb2.ErrorInfo).reason == too_many_hops().reason_name:
        return too_many_hops().with_metadata(upstream_status=name)
    failure = failure_of_grpc_code(status.code)
    if failure is None:
        return rejected(status.message, name)
    return failure.error(name, _retry_after(status), status.message)


def _retry_after(status: Status) -> float | None:
    """The delay in seconds that RetryInfo asks for; None without one."""
    info = _detail(status, error_details_pb2.RetryInfo)
    return info.retry_delay.seconds + info.retry_delay.nanos / 1e9 if info.HasField("retry_delay") else None


def _detail(status: Status, kind: type[_M]) -> _M:
    """The first detail of that type, empty if there is none or it cannot be parsed."""
    found = kind()
    try:
        _ = any(detail.Unpack(found) for detail in status.details)
    except DecodeError:
        return kind()
    return found
