"""Anthropic's clients: three majors for Python, and Node's."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic_server import PAGE
from documented import ADDRESS, KEY, programs
from seed_program import NODE, PROGRAMS, run
from seed_server import SeedServer
from waiting import blocking_until

PYTHON = ["anthropic-0", "anthropic-1", "anthropic-2"]
QUESTION = "What is the capital of France?"
PARIS = "The capital of France is Paris."
CALL = ["weather", {"city": "Oslo"}]
SIGNED = ["Let me see.", "c2lnbmVk"]
ORDER = ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]
ERRORS = {
    "unknown model": ("NotFoundError", 404, "not_found_error"),
    "bad parameter": ("BadRequestError", 400, "invalid_request_error"),
    "overloaded": ("RateLimitError", 429, "rate_limit_error"),
}
WRONG_KEY = ("AuthenticationError", 401, "authentication_error")


def report(server: SeedServer, environment: str, name: str) -> Any:
    """What a program reports. Its author changes the address and the key, and nothing else."""
    source = (PROGRAMS / "anthropic" / f"{name}.{'mjs' if environment == NODE else 'py'}").read_text()
    return run(environment, source, server.root, server.key).facts


@pytest.fixture(scope="module", params=PYTHON)
def reported(request: pytest.FixtureRequest, anthropic: SeedServer) -> Any:
    return report(anthropic, request.param, "messages")


def test_messages_are_complete_or_come_in_pieces(reported):
    whole, final = reported["whole"], reported["final"]

    assert whole["text"] == final["text"] == "".join(reported["streamed"]) == PARIS
    assert len(reported["streamed"]) > 1
    assert whole["reason"] == final["reason"] == "end_turn"
    assert whole["usage"] == final["usage"]
    assert whole["usage"][0] > 10
    assert whole["id"].startswith("msg_")
    assert [kind for kind in reported["raw"] if kind != "content_block_delta"] == ORDER
    assert len(set(reported["request_id"])) == 1
    assert reported["stopped"]["reason"] == "stop_sequence"
    assert reported["stopped"]["stop"] == "capital"


def test_thinking_is_signed_and_shown_to_those_who_ask(reported):
    thoughts = reported["thoughts"]

    assert thoughts["whole"] == thoughts["streamed"] == SIGNED
    assert thoughts["unasked"][0] == "text"
    assert thoughts["cached"] == 1


def test_tools_are_called_by_hand_and_by_the_client(reported):
    by_hand = reported["by_hand"]

    assert by_hand["calls"] == [CALL, CALL]
    assert by_hand["reasons"] == ["tool_use", "tool_use", "end_turn"]
    assert by_hand["text"] == "It snows in Oslo."
    assert reported["by_the_runner"] == ["tool_use", "end_turn"]


def test_schemas_images_models_and_tokens(reported):
    listed = reported["listed"]

    assert set(reported["structured"]) == {"city"}
    assert reported["seen"].startswith("[image/png of 8 bytes]")
    assert {"echo/echo", "weather", "local/smollm2-135m-instruct"} <= set(listed["models"])
    assert listed["models"] == sorted(set(listed["models"]))
    assert (listed["model"], listed["tokens"]) == ("weather/echo", 3)


def test_the_asynchronous_client_does_the_same_with_a_token(reported):
    facts = reported["asynchronous"]

    assert facts["whole"] == "".join(facts["streamed"]) == QUESTION


@pytest.mark.parametrize("environment", PYTHON)
def test_failures_raise_the_clients_exceptions(anthropic, environment):
    overloaded = anthropic.attempts("overloaded")
    facts = report(anthropic, environment, "failures")

    for told in (facts["whole"], facts["streamed"]):
        assert {name: (told[name]["class"], told[name]["status"], told[name]["type"]) for name in ERRORS} == ERRORS
        assert (told["away"]["status"], told["away"]["type"]) == (503, "overloaded_error")
        assert all(fact["named"] for fact in told.values())
        assert "no-such-model" in told["unknown model"]["message"]
        assert told["bad parameter"]["message"].startswith("max_tokens: ")
        assert told["hosted tool"]["message"].startswith("tools[0].type: ")
    wrong = facts["wrong key"]
    assert (wrong["class"], wrong["status"], wrong["type"]) == WRONG_KEY
    assert facts["broken"]["text"].startswith("one two")
    assert facts["broken"]["class"] != "taken as a success"
    assert facts["broken"]["type"] == "overloaded_error"
    assert facts["left"] == "long"[: len(facts["left"])] != ""
    assert facts["retried"]["status"] == 429
    assert anthropic.attempts("overloaded") - overloaded == 4, "one each, and two where the client was told to"
    assert_left(anthropic)


def assert_left(server: SeedServer) -> None:
    """The streams of `slow` that were left were stopped."""
    blocking_until(lambda: server.attempts("slow") == server.attempts("slow", "cancelled"))

    assert server.attempts("slow")


def test_nodes_client_does_all_of_this(anthropic):
    facts = report(anthropic, NODE, "messages")
    failures = facts["failures"]

    assert facts["final"]["text"] == "".join(facts["streamed"]) == facts["whole"]["text"]
    assert facts["final"]["usage"] == facts["whole"]["usage"]
    assert facts["named"]
    assert facts["thought"] == SIGNED
    assert facts["called"] == {"call": CALL, "reasons": ["tool_use", "end_turn"], "text": "It snows in Oslo."}
    assert {"echo/echo", "weather"} <= set(facts["names"])
    assert facts["tokens"] == 7
    assert {
        name: (failures[name]["class"], failures[name]["status"], failures[name]["type"]) for name in ERRORS
    } == ERRORS
    wrong = failures["wrong key"]
    assert (wrong["class"], wrong["status"], wrong["type"]) == WRONG_KEY
    assert failures["away"]["status"] == 503
    assert facts["broken"]["text"].startswith("one two")
    assert facts["broken"]["type"] == "overloaded_error"
    assert_left(anthropic)


DOCUMENTED = list(programs(PAGE))


@pytest.mark.parametrize("number", range(len(DOCUMENTED)))
def test_a_documented_program_runs(number: int, anthropic: SeedServer) -> None:
    program = DOCUMENTED[number]
    changed = program.changed(anthropic.root, anthropic.key)
    environment = program.environments[number % len(program.environments)]
    output = run(environment, changed.source, environ=changed.environ)
    given = program.source + "".join(program.environ.values())

    assert output.text.strip()
    assert given.count(ADDRESS) == given.count(KEY) == 1
