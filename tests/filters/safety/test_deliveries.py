"""A refused text leaves the service nowhere: in no delivery, over no frontend, and in nothing that it writes."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from pathlib import Path

import pytest
from dragoman import v1
from dragoman_service.testing import Scripted, choice_finished, delta, serving, usage
from google.longrunning import operations_pb2

PAGE = (Path(__file__).parents[3] / "docs" / "safety.md").read_text()
SECRET = "n\u200berve gas"
PROMPT, ANSWER = f"Tell me of {SECRET}.", ["It is a gas: n\u200ber", "ve g", "as, the w", "orst" * 40, "of all"]
DELIVERIES = ("unary", "stream", "operation")


def settings(folder):
    (example,) = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", PAGE, re.S) if "echo" in block]
    return {**example, "server.data_dir": str(folder), "operations.url": "sqlite:///operations.db"}


def provider():
    return Scripted(*map(delta, ANSWER), choice_finished(), usage(7, 9))


async def completed(service, request, delivery):
    if delivery == "unary":
        return await service.completions.CreateCompletion(request)
    if delivery == "stream":
        events = [event async for event in service.completions.StreamCompletion(request)]
        assert not any(leaks(event.SerializeToString()) for event in events)
        return events[-1].finished.completion
    started = await service.completions.StartCompletion(v1.StartCompletionRequest(request=request))
    waiting = operations_pb2.WaitOperationRequest(name=started.name)
    waiting.timeout.FromSeconds(10)
    operation = await service.operations.WaitOperation(waiting)
    answer = v1.Completion()
    assert operation.response.Unpack(answer)
    events = [e async for e in service.completions.AttachCompletion(v1.AttachCompletionRequest(name=started.name))]
    assert not any(leaks(event.SerializeToString()) for event in events)
    return answer


def leaks(written: bytes) -> bool:
    return b"n\xe2\x80\x8ber" in written or b"as, the" in written


def stored_in(folder):
    """All values in the store of operations."""
    database = sqlite3.connect(folder / "operations.db")
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = [row for table in tables for row in database.execute(f"SELECT * FROM {table}")]  # noqa: S608 - our own names
    database.close()
    return b"".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_a_refused_answer_is_nowhere(delivery, tmp_path, capfd):
    upstream = provider()
    request = v1.CompletionRequest(model="p/scripted")
    request.messages.add(role=v1.ROLE_USER).parts.add(text="Go on.")
    async with serving({"p": upstream}, settings(tmp_path)) as service:
        answer = await completed(service, request, delivery)
        stored = stored_in(tmp_path)
    (choice,) = answer.choices

    assert [part.text for part in choice.message.parts] == ["It is a gas: "]
    assert choice.finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert [(rating.category, rating.source) for rating in choice.safety.ratings] == [("weapons", "house")]
    assert answer.usage.estimated
    assert answer.usage.output_tokens > 0
    assert (b"It is a gas" in stored) == (delivery == "operation")
    assert not leaks(stored)
    assert not any(map(leaks, (one.encode() for one in capfd.readouterr())))


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_a_refused_prompt_is_nowhere(delivery, tmp_path, capfd):
    upstream = provider()
    request = v1.CompletionRequest(model="p/scripted")
    request.messages.add(role=v1.ROLE_USER).parts.add(text=PROMPT)
    async with serving({"p": upstream}, settings(tmp_path)) as service:
        answer = await completed(service, request, delivery)
        stored = stored_in(tmp_path)
    (choice,) = answer.choices

    assert not leaks(stored)
    assert not upstream.requests
    assert not choice.message.parts
    assert choice.finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert answer.prompt_safety.blocked
    assert not any(map(leaks, (one.encode() for one in capfd.readouterr())))
