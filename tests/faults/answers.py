"""Asks a service for one answer in four ways, and reads all that it says: text, reasoning, calls, usage, errors."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
from deliveries import TIMEOUT, Door, body_of, request_of, url_of
from dragoman import v1

FINISH = {
    v1.FINISH_REASON_STOP: "stop",
    v1.FINISH_REASON_MAX_OUTPUT_TOKENS: "length",
    v1.FINISH_REASON_TOOL_CALLS: "tool_calls",
    v1.FINISH_REASON_CONTENT_FILTER: "content_filter",
}
TOOLS = ("weather", "clock")


@dataclass(slots=True)
class Answer:
    """What a caller received. `calls` are id, name and arguments; `usage` is input, output and total."""

    text: str = ""
    reasoning: str = ""
    calls: list[list[str]] = field(default_factory=list)
    finish: str = ""
    usage: tuple[int, int, int] = (0, 0, 0)
    error: str | None = None


def _grpc_request(tools: bool) -> v1.CompletionRequest:
    request = request_of("m")
    for name in TOOLS if tools else ():
        request.tools.add(function=v1.FunctionTool(name=name, parameters_json_schema='{"type": "object"}'))
    return request


def _of_completion(completion: v1.Completion) -> Answer:
    (choice,) = completion.choices
    usage = completion.usage
    answer = Answer(
        finish=FINISH.get(choice.finish_reason, "other"),
        usage=(usage.input_tokens, usage.output_tokens, usage.total_tokens),
    )
    for part in choice.message.parts:
        answer.text += part.text
        answer.reasoning += part.reasoning.text
        if part.HasField("tool_call"):
            answer.calls.append([part.tool_call.id, part.tool_call.name, part.tool_call.arguments_json])
    return answer


async def grpc_complete(door: Door, tools: bool) -> Answer:
    try:
        return _of_completion(await door.completions.CreateCompletion(_grpc_request(tools), timeout=TIMEOUT))
    except grpc.aio.AioRpcError as error:
        return Answer(error=str(error.details()))


async def grpc_stream(door: Door, tools: bool) -> Answer:
    finished = v1.Finished()
    try:
        async for event in door.completions.StreamCompletion(_grpc_request(tools), timeout=TIMEOUT):
            finished = event.finished
    except grpc.aio.AioRpcError as error:
        return Answer(error=str(error.details()))
    return _of_completion(finished.completion)


def _http_body(tools: bool, **more: Any) -> dict[str, Any]:
    functions = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in TOOLS]
    return body_of("m") | ({"tools": functions} if tools else {}) | more


def _usage(usage: dict[str, Any]) -> tuple[int, int, int]:
    return usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]


def _calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    return message.get("tool_calls") or []


async def http_complete(door: Door, tools: bool) -> Answer:
    async with aiohttp.ClientSession() as session, session.post(url_of(door), json=_http_body(tools)) as response:
        said = await response.json()
    if "error" in said:
        return Answer(error=said["error"]["message"])
    choice = said["choices"][0]
    message = choice["message"]
    calls = [[call["id"], *(call["function"][key] for key in ("name", "arguments"))] for call in _calls(message)]
    return Answer(
        message.get("content") or "",
        message.get("reasoning_content") or "",
        calls,
        choice["finish_reason"],
        _usage(said["usage"]),
    )


async def http_stream(door: Door, tools: bool) -> Answer:
    body = _http_body(tools, stream=True, stream_options={"include_usage": True})
    raw = bytearray()
    async with aiohttp.ClientSession() as session, session.post(url_of(door), json=body) as response:
        try:
            async for data in response.content.iter_any():
                raw += data
        except aiohttp.ClientPayloadError:
            assert b'"error"' in raw, "a connection that breaks has told why"
    text = raw.decode()
    if text.startswith("{"):
        return Answer(error=json.loads(text)["error"]["message"])
    answer = Answer()
    for line in text.split("\n"):
        if line.startswith("data: ") and line != "data: [DONE]":
            _add(answer, json.loads(line[6:]))
    return answer


def _add(answer: Answer, chunk: dict[str, Any]) -> None:
    if "error" in chunk:
        answer.error = chunk["error"]["message"]
        return
    if chunk.get("usage"):
        answer.usage = _usage(chunk["usage"])
    for choice in chunk["choices"]:
        delta = choice["delta"]
        answer.text += delta.get("content") or ""
        answer.reasoning += delta.get("reasoning_content") or ""
        answer.finish = choice["finish_reason"] or answer.finish
        for call in _calls(delta):
            if call["index"] == len(answer.calls):
                answer.calls.append([call["id"], call["function"]["name"], ""])
            answer.calls[call["index"]][2] += call["function"].get("arguments") or ""


ASKS: dict[str, Callable[[Door, bool], Awaitable[Answer]]] = {
    "gRPC complete": grpc_complete,
    "gRPC stream": grpc_stream,
    "HTTP complete": http_complete,
    "HTTP stream": http_stream,
}
