"""Other calls of Vertex AI's client of 2024 and the newest: complete, asynchronous, over REST, failing, blocked."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from dragoman.dialect.google.aiplatform import v1 as a
from google.protobuf.descriptor import Descriptor
from seed_program import PROGRAMS, run
from tls_server import TlsServer

OLDEST, NEWEST = "vertex-1.60", "vertex-2.7"
TWINS = "dragoman.dialect.google.aiplatform.v1"


@pytest.fixture(scope="module", params=[(OLDEST, "grpc"), (NEWEST, "grpc"), (NEWEST, "rest")], ids="-".join)
def reports(request: pytest.FixtureRequest, vertex: TlsServer) -> dict[str, Any]:
    """The reports of the two programs, which run in one process, by their names; and the transport."""
    environment, transport = request.param
    endpoint = vertex.server.grpc if transport == "grpc" else vertex.server.root
    source = "".join((PROGRAMS / "vertex" / f"{name}.py").read_text() for name in ("calls", "failures"))
    arguments = (endpoint, vertex.server.key, vertex.server.narrow_key, transport)
    calls, failures = run(environment, source, *arguments, environ=vertex.trusting).text.splitlines()
    return {"calls": json.loads(calls), "failures": json.loads(failures), "transport": transport}


def joined(pieces: list[Any]) -> str:
    assert not any(blocked for _, blocked in pieces)
    return "".join(text for text, _ in pieces)


def test_every_method_of_the_client_answers(reports):
    facts = reports["calls"]

    assert facts["text"] == ["one two three"]
    assert joined(facts["text streamed"]) == "one two three"
    assert facts["candidates"] == ["one two", "one two"]
    assert facts["code"] == ["def f"]
    assert joined(facts["code streamed"]) == "def f"
    assert facts["chat"] == ["How many?"]
    assert joined(facts["chat streamed"]) == "And how many more?"
    assert facts["history"] == [
        ["user", "How many?"],
        ["bot", "How many?"],
        ["user", "And how many more?"],
        ["bot", "And how many more?"],
    ]
    assert facts["codechat"] == ["sort a list"]
    assert joined(facts["codechat streamed"]) == "reverse it"
    if "async" in facts:
        assert (facts["async"], joined(facts["async streamed"])) == (["one two"], "one two")
        assert (facts["async chat"], joined(facts["async chat streamed"])) == (["How many?"], "More?")
    else:
        assert reports["transport"] == "rest"


def test_failures_and_blocked_answers_are_the_clients_own(reports):
    facts, rest = reports["failures"], reports["transport"] == "rest"

    assert {name: facts[name][0] for name in facts if "blocked" not in name} == {
        "unknown model": "NotFound",
        "another family": "ValueError",
        "wrong value": "BadRequest" if rest else "InvalidArgument",
        "forbidden model": "Forbidden" if rest else "PermissionDenied",
        "wrong key": "GoogleAuthError" if rest else "Unauthenticated",
    }
    assert "no-such-model" in facts["unknown model"][1]
    assert "parameters.topP" in facts["wrong value"][1]
    assert all(fact[2] < 10 for name, fact in facts.items() if "blocked" not in name), "the client tried again"
    assert facts["blocked"] == [["It is ", True, {"weapons": 0.9}]]
    for stream in ("blocked stream", "blocked chat"):
        *texts, last = facts[stream]
        assert "".join(text for text, _, _ in texts) == "It is "
        assert not any(blocked for _, blocked, _ in texts)
        assert last == ["", True, {"weapons": 0.9}]


@pytest.fixture(scope="module", params=[OLDEST, NEWEST])
def theirs(request: pytest.FixtureRequest) -> Any:
    return run(request.param, (PROGRAMS / "vertex" / "descriptors.py").read_text()).facts


def described(message: Descriptor, facts: Any) -> Any:
    """The twins that are reachable from a message: their fields by number."""
    name = message.full_name.removeprefix(f"{TWINS}.")
    if name in facts or message.full_name.startswith("google."):
        return facts
    facts[name] = {str(field.number): [field.name, field.type, field.is_repeated] for field in message.fields}
    for field in message.fields:
        if field.message_type is not None:
            described(field.message_type, facts)
    return facts


def test_the_twins_are_a_part_of_the_vendors_messages(theirs):
    ours: Any = {}
    for service in ("prediction_service", "model_garden_service"):
        for twin in importlib.import_module(f"{TWINS}.{service}_pb2").DESCRIPTOR.services_by_name.values():
            for method in twin.methods:
                if "Content" not in method.name:  # those are messages of another room
                    described(method.output_type, described(method.input_type, ours))

    assert {"Tensor", "PublisherModel", "StreamingPredictResponse"} <= ours.keys()
    for name, fields in ours.items():
        assert fields == {number: theirs["messages"][name].get(number) for number in fields}, name


def test_the_twins_number_the_types_of_a_tensor_as_the_vendor_does(theirs):
    ours = {value.name: value.number for value in a.Tensor.DESCRIPTOR.enum_types_by_name["DataType"].values}

    assert ours == theirs["data types"]
