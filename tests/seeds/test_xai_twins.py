"""Our wire twins of xAI's messages against the vendor's own: numbers, names, types, methods."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from dragoman_service.dialects.xai.names import PACKAGES
from dragoman_service.transport.grpc.twins import ForeignNames
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from seed_program import PROGRAMS, run


@pytest.fixture(scope="module")
def theirs() -> Any:
    return run("xai-1", (PROGRAMS / "xai" / "descriptors.py").read_text()).facts


def ours() -> Any:
    """The twins under the vendor's names, described in the same way."""
    names, facts = ForeignNames(PACKAGES), {"messages": {}, "enums": {}, "methods": {}}
    for file in PACKAGES:
        module = importlib.import_module(file.replace("/", ".").replace(".proto", "_pb2"))
        for twin in module.DESCRIPTOR.services_by_name.values():
            for method in names.service(twin).methods:
                path = f"{method.containing_service.full_name}/{method.name}"
                described = [method.input_type.full_name, method.output_type.full_name, method.server_streaming]
                facts["methods"][path] = described
                tell(method.input_type, facts)
                tell(method.output_type, facts)
    return facts


def tell(message: Descriptor, facts: Any) -> None:
    if message.full_name in facts["messages"] or message.full_name.startswith("google."):
        return
    facts["messages"][message.full_name] = {str(field.number): told(field, facts) for field in message.fields}
    for field in message.fields:
        if field.message_type is not None:
            tell(field.message_type, facts)


def told(field: FieldDescriptor, facts: Any) -> list[Any]:
    kind = field.message_type or field.enum_type
    if field.enum_type is not None:
        facts["enums"][kind.full_name] = {value.name: value.number for value in field.enum_type.values}
    return [field.name, field.type, kind.full_name if kind else "", field.is_repeated, field.has_presence]


@pytest.mark.parametrize(("what", "least"), [("messages", 25), ("enums", 10), ("methods", 8)])
def test_the_twins_are_a_part_of_the_vendors_messages(theirs, what, least):
    described = ours()[what]

    assert len(described) >= least - 1
    for name, part in described.items():
        if what == "methods":
            assert part == theirs[what][name], name
        else:
            assert part == {key: theirs[what][name].get(key) for key in part}, name
