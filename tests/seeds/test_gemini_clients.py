"""Google's Gen AI clients, with a key and in a project of Vertex AI: three majors for Python, and Node's."""

from __future__ import annotations

from typing import Any

import pytest
from seed_program import NODE, PROGRAMS, run, with_replaced
from tls_server import TlsServer
from waiting import blocking_until

PYTHON = ["genai-1", "genai-2", "genai-3"]
NODES = {NODE: "@google/genai", "node-newest": "genai-newest"}
"""Node's packages, of which the first is for Node 20."""
PREFIXES = {"key": "models/", "project": "publishers/google/models/"}
PARIS = "The capital of France is Paris."
CALL = ["weather", {"city": "Oslo"}]
RATINGS = [["HARM_CATEGORY_DANGEROUS_CONTENT", "HIGH", True]]
ALLOWED = "Today I learned to mix a nerve gas from salt."
HISTORY = [["user", "Hello there!"], ["model", "Hello there!"], ["user", "And again."], ["model", "And again."]]
ERRORS = {
    "wrong key": (401, "UNAUTHENTICATED"),
    "unknown model": (404, "NOT_FOUND"),
    "bad parameter": (400, "INVALID_ARGUMENT"),
    "overloaded": (429, "RESOURCE_EXHAUSTED"),
    "away": (503, "UNAVAILABLE"),
}


def report(gemini: TlsServer, environment: str, name: str) -> Any:
    """What a program reports. Its author changes the address and the key, and nothing else."""
    package = NODES.get(environment)
    source = (PROGRAMS / "gemini" / f"{name}.{'mjs' if package else 'py'}").read_text()
    if package:
        source = with_replaced(source, {'from "@google/genai"': f'from "{package}"'})
    return run(NODE if package else environment, source, gemini.server.root, gemini.server.key).facts


@pytest.fixture(scope="module", params=[*PYTHON, *NODES])
def reported(request: pytest.FixtureRequest, gemini: TlsServer) -> Any:
    return {"python": request.param in PYTHON, **report(gemini, request.param, "generating")}


@pytest.fixture(params=PREFIXES)
def generated(request: pytest.FixtureRequest, reported: Any) -> Any:
    mode = request.param
    return {"prefix": PREFIXES[mode], "python": reported["python"], **reported[mode]}


def turns(history: list[list[str]]) -> list[list[str]]:
    """A history whose streamed turns, which the clients keep in pieces, are whole."""
    whole: list[list[str]] = []
    for role, text in history:
        if whole and whole[-1][0] == role:
            whole[-1][1] += text
        else:
            whole.append([role, text])
    return whole


def test_answers_are_complete_or_come_in_pieces(generated):
    answers = generated["answers"]

    assert answers["whole"]["text"] == "".join(answers["streamed"]) == PARIS
    assert len(answers["streamed"]) > 1
    assert answers["whole"]["reason"] == answers["last"]["reason"] == "STOP"
    assert answers["whole"]["usage"] == answers["last"]["usage"]
    assert answers["whole"]["usage"][2] == sum(answers["whole"]["usage"][:2]) > 10
    assert answers["whole"]["version"] == "smollm2-135m-instruct"


def test_a_system_instruction_is_obeyed_and_thoughts_are_told_apart(generated):
    answers = generated["answers"]

    assert answers["told"] == "As I was told."
    assert answers["thoughts"] == ["Let me see."]


def test_a_chat_remembers_its_turns(generated):
    assert generated["chat"]["texts"] == ["Hello there!", "And again."]
    assert turns(generated["chat"]["history"]) == HISTORY


def test_models_are_listed_over_pages_and_tokens_counted(generated):
    listed, prefix = generated["listed"], generated["prefix"]

    assert {f"{prefix}echo/echo", f"{prefix}local/smollm2-135m-instruct", f"{prefix}weather"} <= set(listed["models"])
    assert listed["tokens"] == 3
    if generated["python"] and prefix != "models/":
        assert listed["computed"] == ["three more words"]
        assert listed["with_system"] == 4


def test_answers_keep_to_a_schema_and_functions_are_called(generated):
    structured, calls = generated["structured"], generated["calls"]

    assert calls["text"] == "It snows in Oslo."
    if generated["python"]:
        assert structured["class"] == ("City" if generated["prefix"] == "models/" else "dict")
        assert structured["city"]["name"] == "Paris"
        assert calls["history"] == ["user", "model", "user"]
        assert calls["by_hand"] == calls["streamed"] == [CALL]
    else:
        assert structured["name"] == "Paris"
        assert calls["call"] == CALL


def test_the_asynchronous_client_does_the_same(generated):
    if not generated["python"]:
        return  # Node's calls are all asynchronous
    facts = generated["asynchronous"]

    assert facts["whole"]["text"] == "".join(facts["streamed"]) == "What is the capital of France?"
    assert turns(facts["history"]) == HISTORY
    assert facts["models"] == len(generated["listed"]["models"])
    assert facts["tokens"] == 3


def test_a_blocked_prompt_has_feedback_and_no_candidate(generated):
    for told in generated["blocked"]["prompt"]:
        assert (told["text"], told["candidates"]) == ("", 0)
        assert told["block_reason"] == "SAFETY"
        assert told["prompt_ratings"] == RATINGS


def test_a_blocked_answer_ends_before_the_refused_text(generated):
    endings = [
        *generated["blocked"]["answer"],
        *([generated["asynchronous"]["blocked"]] if generated["python"] else ()),
    ]

    for told in endings:
        assert told["text"] == ALLOWED.partition("nerve")[0]
        assert told["reason"] == "SAFETY"
        assert told["ratings"] == RATINGS
        assert not told.get("block_reason")


def test_a_safety_setting_lets_through_what_the_service_allows(generated):
    if generated["python"]:
        told = generated["blocked"]["allowed"]

        assert (told["text"], told["reason"]) == (ALLOWED, "STOP")
        assert told["ratings"] == [["HARM_CATEGORY_DANGEROUS_CONTENT", "HIGH", None]]


@pytest.mark.parametrize("environment", PYTHON)
def test_failures_raise_the_clients_exceptions(gemini, environment):
    overloaded = gemini.server.attempts("overloaded")
    facts = report(gemini, environment, "failures")

    for delivery in ("whole", "streamed"):
        told = facts[delivery]
        assert {name: (told[name]["code"], told[name]["status"]) for name in ERRORS} == ERRORS
        assert {name for name, fact in told.items() if fact and fact["type"] == "ServerError"} == {"away"}
        assert "no-such-model" in told["unknown model"]["message"]
        assert told["bad parameter"]["message"].startswith("generationConfig.temperature: ")
        assert (told["image"]["code"], told["image that is read"]) == (400, None)
        assert "contents.parts.inlineData" in told["image"]["message"]
    for broken in facts["broken"]:
        assert broken["text"].startswith("one two")
        assert (broken["type"], broken["code"], broken["status"]) == ("ServerError", 503, "UNAVAILABLE")
    assert facts["retried"]["code"] == 429
    assert facts["left"] == ["lon"] * 2
    assert_left(gemini, 2, at_once=environment == PYTHON[-1])  # older ones keep it until they are closed themselves
    assert gemini.server.attempts("overloaded") - overloaded == 4, "one each, and two where the client was told to"


def assert_left(gemini: TlsServer, number: int, *, at_once: bool = True) -> None:
    """The latest streams of `slow/echo` were stopped, and `at_once` before their program went on to others."""
    blocking_until(lambda: gemini.server.attempts("slow") == gemini.server.attempts("slow", "cancelled"))
    models = [call.get("model_requested", "") for call in gemini.server.calls]
    latest = [place for place, model in enumerate(models) if model == "slow/echo"][-number:]

    assert len(latest) == number
    if at_once:
        assert latest[-1] < max(place for place, model in enumerate(models) if model == "breaking/echo")


@pytest.mark.parametrize("package", NODES)
def test_failures_raise_nodes_exceptions(gemini, package):
    facts = report(gemini, package, "failures")

    assert {name: (fact["code"], fact["error"]["status"]) for name, fact in facts["whole"].items()} == ERRORS
    assert {fact["type"] for fact in facts["whole"].values()} == {"ApiError"}
    assert facts["broken"]["text"].startswith("one two")
    assert (facts["broken"]["type"], facts["broken"]["code"]) == ("ApiError", 503)
    assert facts["left"] == "lon"
    assert_left(gemini, 1)
