"""Asks a service for responses over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from http_asking import get, post
from raw_http import asked
from waiting import until

PATH = "/v1/responses"


def body(text: str = "one two three", script: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The body of a request. `script` is a script for echo."""
    items = [{"role": "user", "content": text}]
    if script is not None:
        items.insert(0, {"role": "developer", "content": f"echo: {json.dumps(script)}"})
    return {"model": "echo", "input": items, **more}


async def create(service: Any, sent: Mapping[str, Any], **headers: str) -> tuple[int, Any]:
    answer, response = await post(service, sent, PATH, **headers)
    return answer.status, response


async def show(service: Any, response: str, more: str = "", **headers: str) -> tuple[int, Any]:
    return await get(service, f"{PATH}/{response}{more}", **headers)


async def ended(service: Any, response: str) -> Any:
    """The response once it is done."""

    async def is_over() -> bool:
        return (await show(service, response))[1]["status"] not in ("queued", "in_progress")

    await until(is_over)
    return (await show(service, response))[1]


async def events(service: Any, response: str, query: str = "") -> list[Any]:
    """The events of a stored response."""
    async with asked(service.http_address, "GET", f"{PATH}/{response}?stream=true{query}") as answer:
        assert answer.status == 200
        return read(await answer.whole())


async def streamed(service: Any, sent: Mapping[str, Any], **headers: str) -> list[Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with asked(service.http_address, "POST", PATH, {**sent, "stream": True}, named) as answer:
        return read(await answer.whole())


def read(wire: bytes) -> list[Any]:
    """The data of events; of a chunked body too, as far as events are whole."""
    lines = [line for line in wire.decode().replace("\r\n", "\n").split("\n") if line.startswith("data: ")]
    return [json.loads(line[6:]) for line in lines]


def text_of(response: Any) -> str:
    items = [item for item in response["output"] if item["type"] == "message"]
    return "".join(part["text"] for item in items for part in item["content"])


def types(stream: list[Any]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in stream]
