"""Our wire twins of Yandex Cloud's messages against the vendor's own: numbers, names, types, methods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from described_twins import described
from dragoman_service.dialects.yandex.names import PACKAGES
from google.protobuf.descriptor import Descriptor
from seed_program import PROGRAMS, run


@pytest.fixture(scope="module", params=["yandex-0.2", "yandex-0.19"])
def theirs(request: pytest.FixtureRequest) -> Any:
    return run(request.param, (PROGRAMS / "yandex" / "descriptors.py").read_text()).facts


def fields_of(message: Descriptor) -> list[list[Any]]:
    return sorted(told(message))


def told(message: Descriptor) -> Iterator[list[Any]]:
    for field in message.fields:
        kind = field.message_type or field.enum_type
        oneof = field.containing_oneof
        together = sorted(member.number for member in oneof.fields) if oneof else []
        name = kind.full_name if kind else ""
        yield [field.number, field.name, field.json_name, field.type, name, field.is_repeated, together]


@pytest.mark.parametrize("what", ["messages", "enums", "methods"])
def test_the_twins_are_the_vendors_under_other_names(theirs, what):
    ours = described(PACKAGES, fields_of)[what]

    assert len(ours) >= 3
    assert ours == {name: theirs[what].get(name) for name in ours}
