"""Our wire twins of Yandex Cloud's messages against the vendor's own: numbers, names, types, methods."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from dragoman_service.dialects.yandex.names import PACKAGES
from dragoman_service.transport.grpc.twins import ForeignNames
from google.protobuf.descriptor import Descriptor
from seed_program import PROGRAMS, run


@pytest.fixture(scope="module", params=["yandex-0.2", "yandex-0.19"])
def theirs(request: pytest.FixtureRequest) -> Any:
    return run(request.param, (PROGRAMS / "yandex" / "descriptors.py").read_text()).facts


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
    facts["messages"][message.full_name] = sorted(fields_of(message))
    for field in message.fields:
        if field.message_type is not None:
            tell(field.message_type, facts)
        if field.enum_type is not None:
            values = {value.name: value.number for value in field.enum_type.values}
            facts["enums"][field.enum_type.full_name] = values


def fields_of(message: Descriptor) -> Any:
    for field in message.fields:
        kind = field.message_type or field.enum_type
        oneof = field.containing_oneof
        together = sorted(member.number for member in oneof.fields) if oneof else []
        name = kind.full_name if kind else ""
        yield [field.number, field.name, field.json_name, field.type, name, field.is_repeated, together]


@pytest.mark.parametrize("what", ["messages", "enums", "methods"])
def test_the_twins_are_the_vendors_under_other_names(theirs, what):
    described = ours()[what]

    assert len(described) >= 3
    assert described == {name: theirs[what].get(name) for name in described}
