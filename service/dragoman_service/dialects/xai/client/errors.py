"""Decodes errors: the status of a call."""

from __future__ import annotations

import re

from dragoman import v1
from google.rpc import code_pb2, error_details_pb2
from google.rpc.status_pb2 import Status

from dragoman_service.dialects.upstream_errors import CREDENTIALS, QUOTA, detail_of, error_of_status, rejected
from dragoman_service.errors import CompletionError

_BAD_KEY = re.compile(r"incorrect api key", re.IGNORECASE)
_SPENT = re.compile(r"available credits|spending limit|any credits", re.IGNORECASE)
_BLOCKED = re.compile(r"usage guidelines|SAFETY_CHECK", re.IGNORECASE)
_REJECTED = v1.ErrorReason.Name(v1.ERROR_REASON_PROVIDER_REJECTED).removeprefix("ERROR_REASON_")
_DENIED = (code_pb2.PERMISSION_DENIED, code_pb2.RESOURCE_EXHAUSTED)


def decode_error(status: Status) -> CompletionError:
    """The error of a call that failed. The vendor says in words alone that an account is empty or a prompt blocked."""
    name = code_pb2.Code.Name(status.code) if status.code in code_pb2.Code.values() else str(status.code)
    if status.code == code_pb2.INVALID_ARGUMENT and _BAD_KEY.search(status.message):
        return CREDENTIALS.error(name)
    if status.code in _DENIED and _SPENT.search(status.message):
        return QUOTA.error(name)
    reason = detail_of(status, error_details_pb2.ErrorInfo).reason
    if status.code == code_pb2.PERMISSION_DENIED and (reason == _REJECTED or _BLOCKED.search(status.message)):
        return rejected(status.message, name)
    return error_of_status(status)
