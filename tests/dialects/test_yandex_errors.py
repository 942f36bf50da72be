"""Decoding the errors of Yandex's service."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman_service.dialects.yandex.client.errors import decode_error
from google.protobuf.any_pb2 import Any
from google.rpc import code_pb2, error_details_pb2
from google.rpc.status_pb2 import Status


@pytest.mark.parametrize(
    ("upstream", "code", "reason", "retryable"),
    [
        ("UNAUTHENTICATED", "FAILED_PRECONDITION", "PROVIDER_CREDENTIALS", False),
        ("PERMISSION_DENIED", "FAILED_PRECONDITION", "PROVIDER_CREDENTIALS", False),
        ("NOT_FOUND", "FAILED_PRECONDITION", "PROVIDER_MODEL_MISSING", False),
        ("INVALID_ARGUMENT", "INVALID_ARGUMENT", "PROVIDER_REJECTED", False),
        ("FAILED_PRECONDITION", "INVALID_ARGUMENT", "PROVIDER_REJECTED", False),
        ("UNIMPLEMENTED", "UNIMPLEMENTED", "CAPABILITY_MISSING", False),
        ("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED", True),
        ("DEADLINE_EXCEEDED", "UNAVAILABLE", "PROVIDER_TIMEOUT", True),
        ("UNAVAILABLE", "UNAVAILABLE", "PROVIDER_UNAVAILABLE", True),
        ("INTERNAL", "UNAVAILABLE", "PROVIDER_UNAVAILABLE", True),
        ("UNKNOWN", "UNAVAILABLE", "PROVIDER_UNAVAILABLE", True),
        ("CANCELLED", "UNAVAILABLE", "PROVIDER_UNAVAILABLE", True),
    ],
)
def test_a_status_becomes_a_reason(upstream, code, reason, retryable):
    error = decode_error(Status(code=code_pb2.Code.Value(upstream), message="words"))

    assert (code_pb2.Code.Name(error.code), error.reason_name, error.retryable) == (code, reason, retryable)
    assert (error.retry_after is not None) == retryable
    assert error.metadata["upstream_status"] == upstream
    assert error.message.endswith(
        "The provider rejected the request: words" if reason == "PROVIDER_REJECTED" else " The provider says: words"
    )


def test_a_rejection_has_the_upstreams_text_without_keys():
    said = "Bad\nfolder for Api-Key AQVNsecretsecretsecret and t1.9euelZqTmZmNsecret " + "x" * 400
    error = decode_error(Status(code=code_pb2.INVALID_ARGUMENT, message=said))

    assert "Bad folder" in error.message
    assert "secret" not in error.message
    assert len(error.message) < 350


def test_retry_info_is_the_delay():
    status = Status(code=code_pb2.RESOURCE_EXHAUSTED)
    told = error_details_pb2.RetryInfo()
    told.retry_delay.FromMilliseconds(2500)
    detail = Any()
    detail.Pack(told)
    status.details.append(detail)

    assert decode_error(status).retry_after == 2.5


def test_a_code_of_tomorrow_is_a_failure_like_others():
    assert decode_error(Status(code=99)).reason == v1.ERROR_REASON_PROVIDER_UNAVAILABLE


def test_an_unreadable_detail_is_ignored():
    status = Status(code=code_pb2.UNAVAILABLE)
    status.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")

    assert decode_error(status).reason_name == "PROVIDER_UNAVAILABLE"
