"""Failures as OpenAI's oldest and newest tested clients report them: errors, retries, broken streams, hang-ups."""

from __future__ import annotations

import pytest
from waiting import blocking_until

CLASSES = {
    "wrong key": ("AuthenticationError", 401),
    "forbidden model": ("PermissionDeniedError", 403),
    "unknown model": ("NotFoundError", 404),
    "bad parameter": ("BadRequestError", 400),
    "no messages": ("BadRequestError", 400),
    "too many tokens": ("BadRequestError", 400),
}


def test_failures_raise_the_clients_exceptions_and_say_what_to_do(openai_program, server):
    before = len(server.calls)
    facts = openai_program("failures", server.narrow_key).facts

    assert len(server.calls) - before == 2 * len(CLASSES), "it retried"
    for failures in facts.values():
        assert {name: (fact["type"], fact["status"]) for name, fact in failures.items()} == CLASSES
        assert all(fact["request_id"] for fact in failures.values())
        assert "no-such-model" in failures["unknown model"]["body"]["message"]
        assert failures["unknown model"]["body"]["code"] == "model_not_found"
        assert failures["bad parameter"]["body"]["param"] == "temperature"
        assert failures["no messages"]["body"]["param"] == "messages"
        assert failures["too many tokens"]["body"]["code"] == "context_length_exceeded"
        assert failures["wrong key"]["body"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("provider", "type_name", "status"),
    [("overloaded", "RateLimitError", 429), ("away", "InternalServerError", 503)],
)
def test_the_client_retries_when_the_service_says_so(openai_program, server, provider, type_name, status):
    before = server.attempts(provider)
    facts = openai_program("retries", f"{provider}/echo").facts

    assert (facts["type"], facts["status"]) == (type_name, status)
    assert server.attempts(provider) - before == 3
    assert facts["retry_after"] == "1"
    assert facts["seconds"] >= 2


def test_the_client_does_not_retry_in_vain(openai_program, server):
    before = server.attempts("spent")
    facts = openai_program("retries", "spent/echo").facts

    assert (facts["type"], facts["status"]) == ("RateLimitError", 429)
    assert facts["should_retry"] == "false"
    assert server.attempts("spent") - before == 1


def test_a_stream_that_fails_in_the_middle_is_an_error(openai_program):
    facts = openai_program("broken_stream").facts

    assert len(facts) == 4
    for fact in facts.values():
        assert fact["text"] == "one two three"
        assert fact["type"] == "APIError"
        assert fact["message"] == fact["body"]["message"]


def test_hanging_up_stops_the_upstream(openai_program, server):
    before = server.attempts("slow", "cancelled")
    output = openai_program("hanging_up")
    blocking_until(lambda: server.attempts("slow", "cancelled") == before + 2)
    left = [call for call in server.calls if call.get("model_requested") == "slow/echo"][-2:]

    assert output.text == "left\n"
    assert all(call["duration_ms"] < 1500 for call in left), "they went on until the process ended"


def test_a_time_limit_of_the_client_stops_the_upstream(openai_program, server):
    before = server.attempts("silent", "cancelled")
    facts = openai_program("timeouts").facts
    blocking_until(lambda: server.attempts("silent", "cancelled") == before + 1)

    assert facts["type"] == "APITimeoutError"
    assert facts["seconds"] < 10
