"""Google's generated clients of Vertex AI and of the Gemini API, and vertexai.generative_models, over TLS."""

from __future__ import annotations

from typing import Any

import pytest
from seed_program import PROGRAMS, run
from tls_server import TlsServer

QUESTION = "What is the capital of France?"
PARIS = "The capital of France is Paris."
RATINGS = [["HARM_CATEGORY_DANGEROUS_CONTENT", "HIGH", True]]
CALL = ["weather", {"city": "Oslo"}]


def report(gemini: TlsServer, name: str, *arguments: str) -> Any:
    source = (PROGRAMS / "gemini" / f"{name}.py").read_text()
    return run("vertex-2.7", source, gemini.server.grpc, *arguments, gemini.server.key, environ=gemini.trusting).facts


@pytest.fixture(scope="module")
def facts(gemini: TlsServer) -> Any:
    return report(gemini, "gapic", gemini.server.root)


@pytest.mark.parametrize("client", ["vertex", "beta", "stable", "rest"])
def test_answers_are_complete_or_come_in_pieces(facts, client):
    told = facts[client]

    assert told["whole"]["text"] == "".join(told["streamed"]) == PARIS
    assert len(told["streamed"]) > 1
    assert told["whole"]["reason"] == told["last"]["reason"] == "STOP"
    assert told["whole"]["usage"] == told["last"]["usage"]
    assert told["whole"]["usage"][2] == sum(told["whole"]["usage"][:2]) > 10


@pytest.mark.parametrize("client", ["vertex", "beta", "rest"])
def test_functions_are_called_and_their_results_answered(facts, client):
    assert facts[client]["call"]["call"] == CALL
    assert facts[client]["call"]["text"] == "It snows in Oslo."


@pytest.mark.parametrize("client", ["beta", "stable", "rest"])
def test_models_are_listed_over_pages(facts, client):
    assert {"models/echo/echo", "models/weather"} <= set(facts[client]["models"])
    assert len(facts[client]["models"]) > 3
    assert facts[client]["model"] == "Echo"
    assert facts[client]["count"] == 2


@pytest.mark.parametrize("client", ["beta", "vertex"])
def test_the_asynchronous_clients_do_the_same(facts, client):
    told = facts["asynchronous"][client]

    assert told["whole"]["text"] == "".join(told["streamed"]) == QUESTION


def test_tokens_are_counted_and_computed_and_a_token_is_a_credential_too(facts):
    vertex = facts["vertex"]

    assert vertex["count"] == 3
    assert vertex["tokens"] == ["three more words"]
    assert vertex["with_token"] == vertex["whole"]


def test_vertex_answers_over_rest_too(facts):
    told = facts["vertex"]["over_rest"]

    assert told["whole"]["text"] == "".join(told["streamed"]) == QUESTION
    assert told["last"]["usage"] == told["whole"]["usage"]


def test_failures_are_the_clients_exceptions(facts):
    failures = facts["vertex"]["failures"]

    assert {name: fact["type"] for name, fact in failures.items()} == {
        "unknown": "NotFound",
        "overloaded": "ResourceExhausted",
        "broken": "ServiceUnavailable",
    }
    assert "no-such-model" in failures["unknown"]["message"]
    assert failures["broken"]["text"].startswith("one two")
    assert "API key" in facts["vertex"]["wrong key"]


@pytest.mark.parametrize("client", ["vertex", "beta", "rest"])
def test_what_is_blocked_ends_a_stream_without_an_error(facts, client):
    for told in facts[client]["blocked"]["prompt"]:
        assert (told["text"], told["reasons"]) == ("", [])
        assert told["block_reason"] == "SAFETY"
        assert told["prompt_ratings"] == RATINGS
    for told in facts[client]["blocked"]["answer"]:
        assert (told["text"], told["reasons"]) == ("Today I learned to mix a ", ["SAFETY"])
        assert told["ratings"] == RATINGS
        assert told["prompt_ratings"] == []


def test_the_older_client_of_vertex_does_all_of_it(gemini):
    facts = report(gemini, "generative_models")
    answers, asynchronous = facts["answers"], facts["asynchronous"]

    assert answers["whole"] == "".join(answers["streamed"]) == PARIS
    assert answers["reason"] == "STOP"
    assert answers["usage"] > answers["tokens"] > 10
    assert facts["told"] == "As I was told."
    assert facts["chat"] == {"texts": ["Hello there!", "And again."], "history": ["user", "model", "user", "model"]}
    assert facts["calls"] == {"call": CALL, "text": "It snows in Oslo."}
    assert asynchronous["whole"] == "".join(asynchronous["streamed"]) == QUESTION
    assert facts["blocked"] == {
        "prompt": {"reasons": [[], []], "text": "ValueError", "chat": "ResponseValidationError"},
        "answer": {
            "reasons": [["SAFETY"], ["SAFETY"]],
            "text": "Today I learned to mix a ",
            "chat": "ResponseValidationError",
        },
    }
