"""Our wire twins of Gemini's messages against the vendor's own: numbers, names, types."""

from __future__ import annotations

from typing import Any

import pytest
from dragoman.dialect.google.aiplatform import v1 as a
from dragoman.dialect.google.generativelanguage import v1 as g
from dragoman_service.dialects.google.names import AIPLATFORM, GENERATIVE_LANGUAGE
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from seed_program import PROGRAMS, run

BETA, STABLE = GENERATIVE_LANGUAGE
ANSWERS = ("GenerateContentRequest", "GenerateContentResponse", "CountTokensRequest", "CountTokensResponse")
SERVED = {
    AIPLATFORM: [getattr(a, name) for name in (*ANSWERS, "ComputeTokensRequest", "ComputeTokensResponse")],
    BETA: [getattr(g, name) for name in (*ANSWERS, "GetModelRequest", "ListModelsRequest", "ListModelsResponse")],
}


@pytest.fixture(scope="module")
def theirs() -> Any:
    return run("vertex-2.7", (PROGRAMS / "gemini" / "descriptors.py").read_text()).facts


def described(package: str, messages: list[type[Message]]) -> Any:
    """The twins that are reachable from `messages`, under the vendor's names."""
    facts: Any = {"messages": {}, "enums": {}}
    for message in messages:
        tell(message.DESCRIPTOR, message.DESCRIPTOR.file.package, package, facts)
    return facts


def tell(message: Descriptor, ours: str, package: str, facts: Any) -> None:
    def named(kind: Any) -> str:
        return "" if kind is None else kind.full_name.replace(f"{ours}.", f"{package}.")

    def told(field: FieldDescriptor) -> list[Any]:
        kind = named(field.message_type or field.enum_type)
        return [field.name, field.type, kind, field.is_repeated, field.has_presence]

    if named(message) in facts["messages"] or message.full_name.startswith("google.protobuf."):
        return
    facts["messages"][named(message)] = {str(field.number): told(field) for field in message.fields}
    for field in message.fields:
        if field.message_type is not None:
            tell(field.message_type, ours, package, facts)
        if field.enum_type is not None:
            facts["enums"][named(field.enum_type)] = {value.name: value.number for value in field.enum_type.values}


@pytest.mark.parametrize("package", SERVED)
@pytest.mark.parametrize("what", ["messages", "enums"])
def test_the_twins_are_a_part_of_the_vendors_messages(theirs, package, what):
    ours = described(package, SERVED[package])[what]

    assert len(ours) >= 6
    for name, part in ours.items():
        assert part == {key: theirs[what][name].get(key) for key in part}, name


def test_the_stable_version_numbers_its_fewer_fields_as_the_beta_does(theirs):
    stable = {name: part for name, part in theirs["messages"].items() if name.startswith(f"{STABLE}.")}
    ours = described(STABLE, SERVED[BETA])["messages"]
    common = {name: part for name, part in ours.items() if name in stable}

    assert len(common) >= 12
    for name, part in common.items():
        assert {key: part[key] for key in part if key in stable[name]} == {
            key: stable[name][key] for key in stable[name] if key in part
        }, name
