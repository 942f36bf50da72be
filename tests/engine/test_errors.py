"""The one error, and its form on the wire."""

import pytest
from dragoman import v1
from dragoman_service.errors import MAX_STATUS, CompletionError, FieldViolation, invalid
from google.rpc import code_pb2, error_details_pb2
from hypothesis import given
from hypothesis import strategies as st


def details(status):
    """The details of a status, by the names of their messages."""
    found = {}
    for detail in status.details:
        name = detail.TypeName().rpartition(".")[2]
        found[name] = getattr(error_details_pb2, name).FromString(detail.value)
    return found


def overloaded(**more):
    return CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, "Try again.", **more)


def test_error_info_is_always_there():
    status = overloaded(retryable=True, metadata={"model": "m"}).status("r1")
    info = details(status)["ErrorInfo"]

    assert (status.code, status.message) == (code_pb2.UNAVAILABLE, "Try again.")
    assert (info.reason, info.domain) == ("PROVIDER_UNAVAILABLE", "dragoman")
    assert dict(info.metadata) == {"call_id": "r1", "model": "m", "retryable": "true"}
    assert list(details(status)) == ["ErrorInfo"]


def test_retry_info_and_resource_are_there_if_they_apply():
    found = details(overloaded(retry_after=1.25, resource="models/x").status("r1"))

    assert found["RetryInfo"].retry_delay.ToMilliseconds() == 1250
    assert found["ResourceInfo"].resource_name == "models/x"


def test_every_wrong_field_is_named_at_once():
    error = invalid(FieldViolation("model", "is required"), FieldViolation("messages", "is required"))
    bad = details(error.status("r1"))["BadRequest"]

    assert [(v.field, v.description) for v in bad.field_violations] == [
        ("model", "is required"),
        ("messages", "is required"),
    ]
    assert error.message == "model: is required; messages: is required"
    assert str(error) == "INVALID_ARGUMENT INVALID_FIELD: model: is required; messages: is required"


def test_a_thousand_violations_stay_within_the_size_of_trailers():
    violations = [FieldViolation(f"messages[{n}].parts[{n}]", "has to be shorter " * 20) for n in range(1000)]
    status = invalid(*violations).status("r" * 32)

    assert status.ByteSize() <= MAX_STATUS
    assert len(details(status)["BadRequest"].field_violations) >= 8
    assert "and 995 more" in invalid(*(FieldViolation("f", "d") for _ in range(1000))).message


texts = st.text(max_size=2000) | st.integers(0, 2000).map(lambda length: "🙂" * length)


@given(
    message=texts,
    metadata=st.dictionaries(st.text("abc_", min_size=1, max_size=20), texts, max_size=20),
    violations=st.lists(st.builds(FieldViolation, texts, texts), max_size=50),
    resource=texts,
)
def test_no_status_is_larger_than_trailers_may_be(message, metadata, violations, resource):
    error = CompletionError(
        code_pb2.INVALID_ARGUMENT,
        v1.ERROR_REASON_INVALID_FIELD,
        message,
        retry_after=1.0,
        fields=tuple(violations),
        metadata=metadata,
        resource=resource,
    )
    status = error.status("r" * 64)

    assert status.ByteSize() <= MAX_STATUS
    assert message.startswith(status.message.removesuffix("…"))
    percent_encoded = sum(1 if byte < 0x80 else 3 for byte in status.message.encode())
    assert percent_encoded + status.ByteSize() * 4 / 3 < 8192 - 256


def test_metadata_that_the_error_already_has_is_kept():
    error = overloaded(metadata={"model": "own"}).with_metadata(model="other", provider="p")

    assert error.metadata == {"model": "own", "provider": "p"}


class ForeignError(Exception):
    """The exception of a plugin that imports nothing of the service."""

    def __init__(self, code, reason, **more):
        super().__init__("exception text")
        self.code, self.reason = code, reason
        vars(self).update(more)


def test_an_exception_with_the_right_attributes_is_a_completion_error():
    raised = ForeignError(
        14, v1.ERROR_REASON_PROVIDER_RATE_LIMITED, message="Slow down.", retryable=True, retry_after=2
    )
    error = CompletionError.of(raised)

    assert error is not None
    assert (error.code, error.reason_name, error.message) == (14, "PROVIDER_RATE_LIMITED", "Slow down.")
    assert (error.retryable, error.retry_after) == (True, 2.0)


@pytest.mark.parametrize(
    "other",
    [
        ValueError("x"),
        ForeignError(0, 25),
        ForeignError(99, 25),
        ForeignError(14, 9999),
        ForeignError(404, "Not Found"),
        ForeignError(14, None),
    ],
    ids=repr,
)
def test_any_other_exception_is_not_a_completion_error(other):
    assert CompletionError.of(other) is None
