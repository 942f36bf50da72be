"""Calls of a service that runs in a scratch environment."""

from __future__ import annotations

import grpc
from dragoman import v1
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status


def request_for(model: str, text: str) -> v1.CompletionRequest:
    return v1.CompletionRequest(model=model, messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=text)])])


def status_of(error: grpc.RpcError) -> tuple[Status, error_details_pb2.ErrorInfo]:
    """The status of a failed call and its ErrorInfo."""
    status = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    return status, error_details_pb2.ErrorInfo.FromString(status.details[0].value)
