"""The Responses API with OpenAI's newest clients for Python and Node."""

from __future__ import annotations

from typing import Any

import pytest
from seed_program import NODE, PROGRAMS, run
from seed_server import SETTINGS, SeedServer, serving

CLIENTS = ["openai-3", NODE]


def report(server: SeedServer, client: str, name: str, *arguments: str) -> Any:
    """What a program reports, after a change of nothing but the address and the key."""
    environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": server.key}
    source = (PROGRAMS / "openai" / f"{name}.{'mjs' if client == NODE else 'py'}").read_text()
    return run(client, source, *arguments, environ=environ).facts


@pytest.fixture(scope="module", params=CLIENTS)
def reported(request: pytest.FixtureRequest, server: SeedServer) -> Any:
    before = server.attempts("overloaded")
    facts = report(server, request.param, "responses")
    return facts | {"attempts": server.attempts("overloaded") - before}


def test_responses_are_complete_and_conversations_go_on(reported):
    assert reported["whole"] == {
        "text": ["one two three", "one two three", "four"],
        "status": "completed",
        "usage": [3, 6 + 3],
        "metadata": {"a": "b"},
        "items": ["one two three", "one two three", "four"],
        "counted": 3,
    }


def test_the_stream_helper_builds_the_response_and_resumes_it(reported):
    streamed = reported["streamed"]

    assert streamed["text"] == ["It is fine.", "It is fine.", "Go on"]
    assert streamed["summary"] == "Let me see."
    assert streamed["encrypted"]
    assert streamed["resumed"]
    assert streamed["kinds"][:2] == ["response.created", "response.in_progress"]
    assert streamed["kinds"][-1] == "response.completed"


def test_tools_are_called_from_what_is_stored_and_by_hand(reported):
    assert reported["tools"] == {"call": ["weather", {"city": "Oslo"}], "text": ["It snows in Oslo."] * 2}


def test_a_response_in_the_background_is_polled_cancelled_and_deleted(reported):
    assert reported["background"] == {
        "text": "one two",
        "status": ["completed", "cancelled"],
        "gone": ["NotFoundError", 404, "operation_not_found"],
    }


def test_failures_raise_the_clients_exceptions(reported):
    assert reported["failures"] == {
        "unknown model": ["NotFoundError", 404, "model_not_found"],
        "hosted tool": ["BadRequestError", 400, "unsupported_parameter"],
        "no such response": ["BadRequestError", 400, "previous_response_not_found"],
        "overloaded": ["RateLimitError", 429, "rate_limit_exceeded"],
        "broken": ["APIError", None, "provider_unavailable"],
        "before it broke": "response.failed",
    }
    assert reported["attempts"] == 3, "the client tries three times"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_stream_that_was_cut_goes_on_at_another_server(client, tmp_path, weights):
    with serving(tmp_path, f'{SETTINGS}\n[operations]\nhandback = "0s"') as server:
        begun = report(server, client, "begun")
    with serving(tmp_path) as server:
        resumed = report(server, client, "resumed", begun["id"], str(begun["number"]))

    assert resumed["text"] == "one two three four five"
    assert resumed["first"] > begun["number"]
    assert resumed["last"] == "response.completed"
    assert "response.output_item.done" in resumed["kinds"]
