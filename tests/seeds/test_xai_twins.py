"""Our wire twins of xAI's messages against the vendor's own: numbers, names, types, methods."""

from __future__ import annotations

from typing import Any

import pytest
from described_twins import described
from dragoman_service.dialects.xai.names import PACKAGES
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from seed_program import PROGRAMS, run


@pytest.fixture(scope="module")
def theirs() -> Any:
    return run("xai-1", (PROGRAMS / "xai" / "descriptors.py").read_text()).facts


def fields_of(message: Descriptor) -> Any:
    return {str(field.number): told(field) for field in message.fields}


def told(field: FieldDescriptor) -> list[Any]:
    kind = field.message_type or field.enum_type
    return [field.name, field.type, kind.full_name if kind else "", field.is_repeated, field.has_presence]


@pytest.mark.parametrize(("what", "least"), [("messages", 25), ("enums", 10), ("methods", 8)])
def test_the_twins_are_a_part_of_the_vendors_messages(theirs, what, least):
    ours = described(PACKAGES, fields_of)[what]

    assert len(ours) >= least - 1
    for name, part in ours.items():
        if what == "methods":
            assert part == theirs[what][name], name
        else:
            assert part == {key: theirs[what][name].get(key) for key in part}, name
