"""Asks the native API over HTTP, as curl would."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from raw_http import RawAnswer, asked

COMPLETIONS = "/dragoman.v1.CompletionService"
OPERATIONS = "/google.longrunning.Operations"


def body(text: str = "one two three", script: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A request in the names of the JSON mapping. `script` is a script for echo."""
    messages = [{"role": "ROLE_USER", "parts": [{"text": text}]}]
    if script is not None:
        messages.insert(0, {"role": "ROLE_SYSTEM", "parts": [{"text": f"echo: {json.dumps(script)}"}]})
    return {"model": "echo", "messages": messages, **more}


async def post(service: Any, path: str, sent: Any, **headers: str) -> tuple[int, Any]:
    """The status and the JSON of the answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with asked(service.http_address, "POST", path, sent, named) as answer:
        return answer.status, await answer.json()


async def events_of(answer: RawAnswer) -> AsyncIterator[tuple[str, str, Any]]:
    """Server-sent events: id, name and data, until the last chunk. Raises IncompleteReadError if it is missing."""
    rest = b""
    while piece := await answer.piece():
        *events, rest = (rest + piece).split(b"\n\n")
        for event in events:
            fields = dict(line.split(": ", 1) for line in event.decode().split("\n") if not line.startswith(":"))
            if fields:
                yield fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"])
    assert rest == b""


def reason_of(error: Any) -> str:
    """The reason of an error, as its first detail has it for people."""
    assert error["details"][0]["type"] == "google.rpc.ErrorInfo"
    return str(error["details"][0]["debug"]["reason"])
