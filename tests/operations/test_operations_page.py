"""What docs/operations.md shows works."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from dragoman_service.operations.listing.filter import parse
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.replicas.replica import Replica

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
FILTERS = re.findall(r"^\| `([^`]+)` \|", PAGE, re.M)


async def test_the_shown_program_runs(
    start_service: Callable[..., Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = re.search(r"```python\n(.*?)```", PAGE, re.S)
    assert program is not None
    service = await start_service()
    monkeypatch.setenv("DRAGOMAN_TARGET", service.grpc_address)
    monkeypatch.delenv("DRAGOMAN_API_KEY", raising=False)

    said: list[str] = []
    names = {"print": lambda *words: said.append(" ".join(map(str, words)))}
    await asyncio.to_thread(exec, compile(program[1], "docs/operations.md", "exec"), names)
    left = await service.operations.list("anonymous")

    assert re.fullmatch(r"operations/\w{26} True", said[0])
    assert said[1] == "Name three fruits. 4"
    assert not left.operations


@pytest.mark.parametrize("text", FILTERS)
def test_the_shown_filters_are_valid(text: str) -> None:
    assert len(FILTERS) == 9
    assert parse(text) is not None


async def test_or_binds_closer_than_and_as_the_page_says(worker: Replica) -> None:
    await worker.wait(await worker.start(ask("hello", retried="yes")))
    text = "model = echo AND state = FAILED OR labels:retried"
    without = await worker.operations.list("team-a", text)
    apart = await worker.operations.list("team-a", "(model = echo AND state = FAILED) OR labels:retried")

    assert not without.operations
    assert len(apart.operations) == 1
