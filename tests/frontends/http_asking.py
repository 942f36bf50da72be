"""Asks a service over HTTP as programs do that bring no library for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from raw_http import RawAnswer, asked

CHAT, ROOT, LEGACY = "/v1/chat/completions", "/chat/completion", "/v1/completions"


def chat(text: str = "one two three", script: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The body of a chat completion. `script` is a script for echo."""
    messages = [{"role": "user", "content": text}]
    if script is not None:
        messages.insert(0, {"role": "system", "content": f"echo: {json.dumps(script)}"})
    return {"model": "echo", "messages": messages, **more}


async def post(service: Any, body: Any, path: str = CHAT, **headers: str) -> tuple[RawAnswer, Any]:
    """The response and its JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with asked(service.http_address, "POST", path, body, named) as answer:
        return answer, await answer.json()


async def get(service: Any, path: str, **headers: str) -> tuple[int, Any]:
    async with asked(service.http_address, "GET", path, headers=headers) as answer:
        return answer.status, await answer.json()


async def chunks(service: Any, body: Mapping[str, Any], path: str = CHAT) -> list[Any]:
    """All chunks of a stream. The last one of a complete stream is `[DONE]`."""
    async with asked(service.http_address, "POST", path, {**body, "stream": True}) as answer:
        return events_in(await answer.whole())


def events_in(wire: bytes) -> list[Any]:
    """The data of server-sent events, without comments."""
    lines = [line for line in wire.decode().split("\n\n") if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in (line[6:] for line in lines)]


def text_of(stream: list[Any]) -> str:
    """The text of the first choice of a chat."""
    choices = [choice for chunk in stream if chunk != "[DONE]" for choice in chunk["choices"]]
    return "".join(choice["delta"].get("content", "") for choice in choices if choice["index"] == 0)
