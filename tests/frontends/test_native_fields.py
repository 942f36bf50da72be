"""Limits of the native methods' own fields: operations, cursors, tokenization, pages."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.validation import check_request, limits
from dragoman_service.validation.rpcs import check_attach, check_tokenize, effective_page_size, start_violations
from google.protobuf.duration_pb2 import Duration


def request(**config: object) -> v1.CompletionRequest:
    made = v1.CompletionRequest(model="echo", generation_config=v1.GenerationConfig(**config))
    made.messages.add(role=v1.ROLE_USER).parts.add(text="hi")
    return made


def wrong_in_start(**fields: object) -> list[str]:
    with_fields = v1.StartCompletionRequest(request=request(), **fields)
    return [violation.field for violation in start_violations(with_fields)]


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (
            "operation_id",
            ("abcd", "a-1b", "a" * 63, ""),
            ("abc", "a" * 64, "1abc", "abc-", "Abcd", "ab_d", "a:bc", "äbcd"),
        ),
        ("max_attempts", (1, 2, limits.ATTEMPTS - 1, limits.ATTEMPTS), (0, -1, limits.ATTEMPTS + 1)),
        ("priority", (-100, -99, 0, 99, 100), (-101, 101)),
        (
            "ttl",
            (Duration(seconds=1), Duration(seconds=limits.TTL - 1), Duration(seconds=limits.TTL)),
            (Duration(), Duration(nanos=999_999_999), Duration(seconds=limits.TTL, nanos=1), Duration(seconds=-1)),
        ),
    ],
)
def test_what_is_asked_of_an_operation_has_its_limits(field, good, bad):
    taken = [wrong_in_start(**{field: value}) for value in good]
    refused = [wrong_in_start(**{field: value}) for value in bad]

    assert taken == [[]] * len(good)
    assert refused == [[field]] * len(bad)


def test_a_cursor_is_not_negative():
    def fields(**given: object) -> list[str]:
        with pytest.raises(CompletionError) as caught:
            check_attach(v1.AttachCompletionRequest(**given))
        return [violation.field for violation in caught.value.fields]

    check_attach(v1.AttachCompletionRequest(name="operations/1", after_sequence=0))
    check_attach(v1.AttachCompletionRequest(name="operations/1", after_sequence=1))

    assert fields(name="operations/1", after_sequence=-1) == ["after_sequence"]
    assert fields(after_sequence=-1) == ["name", "after_sequence"]


def test_tokenize_needs_one_input_and_one_model():
    def fields(made: v1.TokenizeRequest) -> list[str]:
        with pytest.raises(CompletionError) as caught:
            check_tokenize(made)
        return [violation.field for violation in caught.value.fields]

    assert fields(v1.TokenizeRequest(model="echo")) == ["input"]
    assert fields(v1.TokenizeRequest(text="hi")) == ["model"]
    assert fields(v1.TokenizeRequest(model="echo", text="x" * (limits.TEXT + 1))) == ["text"]
    assert fields(v1.TokenizeRequest(model="other", request=request())) == ["model"]


async def test_one_error_names_the_wrong_fields_of_a_start_and_of_its_request(stub, refused):
    start = v1.StartCompletionRequest(request=request(temperature=9), operation_id="No", priority=1000)
    refusal = await refused(stub.StartCompletion(start))

    assert refusal.fields == ["request.generation_config.temperature", "operation_id", "priority"]


@pytest.mark.parametrize(("asked", "size"), [(0, 50), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)])
def test_a_page_size_over_the_maximum_is_the_maximum(asked: int, size: int) -> None:
    assert effective_page_size(asked, default=50) == size


def test_a_negative_page_size_is_refused() -> None:
    with pytest.raises(CompletionError) as caught:
        effective_page_size(-1, default=50)

    assert [violation.field for violation in caught.value.fields] == ["page_size"]


def test_values_of_enums_are_named_as_stubs_name_them() -> None:
    message = v1.Message(role=99, parts=[v1.Part(text="x")])  # type: ignore[arg-type]
    with pytest.raises(CompletionError) as caught:
        check_request(v1.CompletionRequest(model="echo", messages=[message]))

    assert "must be one of ROLE_SYSTEM, " in caught.value.fields[0].description
