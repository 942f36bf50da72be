"""When several callers share the slots of operations."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from dragoman_service.settings.settings import load


def keys(count: int) -> list[dict[str, Any]]:
    return [{"id": f"k{one}", "sha256": hashlib.sha256(str(one).encode()).hexdigest()} for one in range(count)]


@pytest.mark.parametrize(
    ("access", "several"),
    [({}, False), ({"keys": keys(1)}, False), ({"keys": keys(2)}, True), ({"keys": keys(1), "anonymous": True}, True)],
)
def test_callers_without_a_key_count_as_one(access: dict[str, Any], several: bool) -> None:
    assert load(None, {}, {"access": access}).has_several_callers is several
