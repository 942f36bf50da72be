"""xAI's own client, blocking and asynchronous, with TLS and in plaintext."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documented import KEY, SECURE, programs
from seed_program import PROGRAMS, run
from seed_server import SeedServer
from tls_server import TlsServer
from waiting import blocking_until
from xai_server import PAGE, serving_xai

CLIENT = "xai-1"
CALL = ["weather", {"city": "Oslo"}]
DOCUMENTED = list(programs(PAGE))


@pytest.fixture(scope="module")
def secured(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with serving_xai(tmp_path_factory.mktemp("xai")) as server:
        yield server


def report(name: str, *arguments: str, environ: dict[str, str] | None = None) -> Any:
    """What a program reports. Its author changes the address and the key, and nothing else."""
    return run(CLIENT, (PROGRAMS / "xai" / f"{name}.py").read_text(), *arguments, environ=environ).facts


@pytest.fixture(scope="module", params=["plain", "tls"])
def sampled(request: pytest.FixtureRequest) -> Any:
    if request.param == "plain":
        server: SeedServer = request.getfixturevalue("server")
        return report("sampling", server.grpc, server.key, "plain")
    served: TlsServer = request.getfixturevalue("secured")
    return report("sampling", served.server.grpc, served.server.key, "tls", environ=served.trusting)


def test_answers_are_complete_streamed_or_deferred(sampled):
    facts = sampled["blocking"]
    whole, streamed = facts["whole"], facts["streamed"]

    assert "Paris" in whole["text"]
    assert whole["text"] == streamed["text"] == "".join(streamed["pieces"])
    assert len([piece for piece in streamed["pieces"] if piece]) > 1  # a busy machine gets several tokens at once
    assert whole["role"] == streamed["role"] == "ROLE_ASSISTANT"
    assert whole["reason"] == streamed["reason"]
    assert whole["usage"] == streamed["usage"]
    assert whole["usage"][2] == sum(whole["usage"][:2]) > 10
    assert streamed["id"]
    assert (facts["deferred"]["text"], facts["deferred"]["reason"]) == ("Hello later!", "REASON_STOP")
    assert facts["many"] == ["one two"] * 2


def test_functions_are_called_and_turns_come_back_with_their_state(sampled):
    called = sampled["blocking"]["called"]

    assert called["call"] == called["streamed"] == CALL
    assert called["reason"] == "REASON_TOOL_CALLS"
    assert called["text"] == "It snows in Oslo."


def test_schemas_thoughts_images_and_logprobs_are_served(sampled):
    facts = sampled["blocking"]

    assert facts["parsed"] == ["City", True]
    assert facts["thoughts"] == ["Let me see.", "Yes.", True]
    assert facts["image"]
    assert facts["logprobs"] == 2


def test_models_tokens_and_the_key_are_told(sampled):
    facts = sampled["blocking"]

    assert {"echo/echo", "local/smollm2-135m-instruct"} <= set(facts["models"])
    assert facts["model"] == "echo/echo"
    assert facts["tokens"] == ["three", " more", " words"]
    assert facts["key"] == "seeds"


def test_the_asynchronous_client_does_the_same(sampled):
    facts = sampled["asynchronous"]

    assert facts["whole"]["text"] == "".join(facts["streamed"]["pieces"]) == facts["streamed"]["text"] == "Hello there!"
    assert facts["streamed"]["reason"] == "REASON_STOP"
    assert facts["deferred"] == "Hello later!"
    assert facts["models"] == len(sampled["blocking"]["models"])
    assert (facts["tokens"], facts["key"]) == (3, "seeds")


def test_failures_raise_with_their_code_and_are_retried_as_the_client_does(server):
    before = {name: server.attempts(name) for name in ("away", "overloaded", "spent")}
    facts = report("failures", server.grpc, server.key)
    made = {name: server.attempts(name) - count for name, count in before.items()}

    assert {name: fact["code"] for name, fact in facts.items() if name != "left"} == {
        "wrong key": "UNAUTHENTICATED",
        "unknown model": "NOT_FOUND",
        "too hot": "INVALID_ARGUMENT",
        "hosted": "INVALID_ARGUMENT",
        "searched": "INVALID_ARGUMENT",
        "overloaded": "RESOURCE_EXHAUSTED",
        "away": "UNAVAILABLE",
        "deferred": "RESOURCE_EXHAUSTED",
        "image": "INVALID_ARGUMENT",
        "broken": "UNAVAILABLE",
    }
    assert "no-such-model" in facts["unknown model"]["message"]
    assert facts["too hot"]["message"].startswith("temperature: ")
    assert facts["hosted"]["message"].startswith("tools[0].web_search: ")
    assert "messages.content" in facts["image"]["message"]
    assert facts["broken"]["text"].startswith("one two")
    assert made == {"away": 5, "overloaded": 1, "spent": 1}
    assert facts["left"] == "one"
    blocking_until(lambda: server.attempts("slow") == server.attempts("slow", "cancelled") > 0)


@pytest.mark.parametrize("number", range(len(DOCUMENTED)))
def test_a_documented_program_runs(number: int, secured: TlsServer) -> None:
    source = DOCUMENTED[number].source
    assert source.count(SECURE) + sum(value.count(SECURE) for value in DOCUMENTED[number].environ.values()) == 1
    assert source.count(KEY) + sum(value.count(KEY) for value in DOCUMENTED[number].environ.values()) == 1
    changed = DOCUMENTED[number].changed("", secured.server.key, secured.server.grpc)
    output = run(CLIENT, changed.source, environ=changed.environ | secured.trusting)

    assert output.text.strip()
