"""Each route of the HTTP listener, as its frontends added them, with requests that no program means to send."""

from __future__ import annotations

import asyncio
import json
import re
from random import Random
from typing import Any
from urllib.parse import quote

import trees
from dragoman_service.testing.serving import Served, serving
from raw_http import RawAnswer, read_head
from service_log import Log
from values import TEXTS, cases
from verdict import LONGEST, unharmed

TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"a": [1]}}
CHAT: dict[str, Any] = {
    "model": "echo",
    "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "one two"}], "name": "n"},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "r", "refusal": None},
        {"role": "tool", "tool_call_id": "1", "content": "three"},
    ],
    "tools": [TOOL],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "stop": ["x"],
    "temperature": 1.0,
    "max_tokens": 9,
    "metadata": {"a": "b"},
    "seed": 7,
    "logprobs": True,
    "top_logprobs": 2,
    "user": "u",
    "stream_options": {"include_usage": True},
    "reasoning": {"effort": "low"},
    "logit_bias": {"5": 1},
}
RESPONSES: dict[str, Any] = {
    "model": "echo",
    "instructions": "be brief",
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "one two"}]}],
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
    "text": {"format": {"type": "text"}},
    "reasoning": {"effort": "low", "summary": "auto"},
    "metadata": {"a": "b"},
    "store": False,
}
TEXT = {"model": "echo", "prompt": "one two", "max_tokens": 5, "logprobs": 2, "n": 1, "stop": "x"}
YANDEX: dict[str, Any] = {
    "modelUri": "gpt://folder/echo",
    "completionOptions": {"temperature": 0.5, "maxTokens": "9", "reasoningOptions": {"mode": "DISABLED"}},
    "messages": [{"role": "user", "text": "one two"}],
    "tools": [{"function": {"name": "f", "parameters": {"type": "object"}}}],
    "toolChoice": {"mode": "AUTO"},
    "jsonSchema": {"schema": {"type": "object", "properties": {"a": {"enum": [1, 2.5, None]}}}},
}
GEMINI: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "be brief"}]},
    "contents": [{"role": "user", "parts": [{"text": "one two"}]}],
    "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}],
    "generationConfig": {"topK": 4.0, "maxOutputTokens": 9, "responseMimeType": "text/plain"},
    "labels": {"a": "b"},
}
ANTHROPIC: dict[str, Any] = {
    "model": "echo",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "one two"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x", "is_error": True}]},
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "adaptive", "display": "omitted"},
    "output_config": {"effort": "low"},
    "metadata": {"user_id": "u"},
}
NATIVE: dict[str, Any] = {
    "model": "echo",
    "messages": [{"role": "ROLE_USER", "parts": [{"text": "one two"}]}],
    "tools": [{"function": {"name": "f", "parametersJsonSchema": "{}"}}],
    "generationConfig": {"temperature": 1, "maxOutputTokens": 9, "stopSequences": ["x"]},
    "labels": {"a": "b"},
}
BODIES = [
    NATIVE,
    {"request": NATIVE, "ttl": "60s"},
    GEMINI,
    ANTHROPIC,
    ANTHROPIC | {"stream": True},
    CHAT,
    CHAT | {"stream": True},
    RESPONSES,
    RESPONSES | {"stream": True, "store": True},
    RESPONSES | {"background": True, "store": None},
    TEXT,
    TEXT | {"stream": True},
    YANDEX,
]
BODIES += [YANDEX | {"completionOptions": {"stream": True}}, {"modelUri": "gpt://f/echo", "text": "one two"}, {}]
HEADERS = ("Idempotency-Key", "x-client-request-id", "User-Agent", "Authorization", "Host", "Origin", "X-Dragoman-Hops")
HEADERS += ("Connect-Timeout-Ms", "Last-Event-ID", "X-Dragoman-Unknown-Fields", "anthropic-version", "x-api-key")
TYPES = ("application/proto", "application/connect+json", "application/connect+proto")
HEADERS += ("Accept", "Content-Type", "Accept-Encoding", "Cookie", "X-Forwarded-For", "Expect-Ct")


def request_of(chance: Random, verb: str, path: str, sound: list[Any]) -> bytes:
    """A request to the route: one of the sound bodies, or of another dialect, with some of it changed."""
    piece = (lambda: path_piece(chance)) if chance.random() < 0.4 else (lambda: "echo")
    target = re.sub(r"\{[^{}]*\}", lambda _: piece(), path).encode(errors="surrogateescape")
    if chance.random() < 0.3:
        target += (
            b"?" + path_piece(chance).encode(errors="surrogateescape") + chance.choice((b"=\xff", b"=%ff", b"", b"=1"))
        )
    body = b""
    if verb == "POST" or chance.random() < 0.2:
        body = trees.mutated(chance, chance.choice(sound if chance.random() < 0.8 else BODIES))
    headers = {b"host": b"localhost", b"content-type": b"application/json"}
    if chance.random() < 0.3:
        headers[chance.choice(HEADERS).lower().encode()] = header_value(chance)
    if chance.random() < 0.1:
        headers[b"content-type"] = chance.choice(TYPES).encode()
    asked = chance.choice(("HEAD", "OPTIONS", "PUT", "POST")) if chance.random() < 0.05 else verb
    return head(asked.encode(), target, headers, len(body)) + body


def head(verb: bytes, target: bytes, headers: dict[bytes, bytes], size: int) -> bytes:
    lines = [verb + b" " + target + b" HTTP/1.1", *(name + b": " + value for name, value in headers.items())]
    return b"\r\n".join([*lines, b"content-length: %d" % size, b"", b""])


def path_piece(chance: Random) -> str:
    """Text for a path, percent-encoded or not; surrogates stand for bytes."""
    text = re.sub(r"[\s\x00-\x20?#]", "", chance.choice((*TEXTS, "echo/echo", "\udcff\udcfe", "%ff%fe", "%ed%a0%80")))[
        :2000
    ]
    return (quote(text, errors="surrogateescape") if chance.random() < 0.5 else text) or "x"


def header_value(chance: Random) -> bytes:
    """Bytes of any kind, of which about half are not UTF-8."""
    text = chance.choice((*TEXTS, "Bearer x", "localhost:1", "application/json; charset=x", "text/plain"))
    raw = re.sub(rb"[\r\n\x00]", b" ", text.encode())[:4000]
    return chance.choice((raw, b"\xff", raw + b"\xed\xa0\x80"))


async def answered(address: str, request: bytes) -> tuple[int, bytes]:
    """The status and body of the answer; the body ends where the connection does."""
    reader, writer = await asyncio.open_connection(*address.rsplit(":", 1))
    try:
        async with asyncio.timeout(LONGEST):
            writer.write(request)
            answer = await read_head(reader, writer)
            return answer.status, b"" if request.startswith(b"HEAD") else await body_of(answer)
    finally:
        writer.close()


async def body_of(answer: RawAnswer) -> bytes:
    try:
        return await answer.whole()
    except asyncio.IncompleteReadError as cut:
        return cut.partial


def routes_of(served: Served) -> list[tuple[str, str]]:
    """The verb and path of each route, with parameters in braces."""
    return sorted({(verb, path) for verb, path in served.running._context.http.routes if verb != "HEAD"})


async def sound_bodies(address: str, verb: str, path: str) -> list[Any]:
    """The bodies that the route answers with 200; all if it answers none."""
    found = []
    for tree in BODIES if verb == "POST" else ():
        body = json.dumps(tree).encode()
        target = re.sub(r"\{[^{}]*\}", "echo", path).encode()
        request = head(b"POST", target, {b"host": b"h", b"content-type": b"application/json"}, len(body))
        status, _ = await answered(address, request + body)
        found += [tree] if status == 200 else []
    return found or BODIES


async def test_no_request_harms_a_route(logged: Log) -> None:
    async with serving() as served, unharmed(logged, served):
        address, routes = served.running.http_address, routes_of(served)
        for verb, path in routes:
            sound = await sound_bodies(address, verb, path)
            for chance in cases(f"{verb} {path}", 24):
                request = request_of(chance, verb, path, sound)
                status, body = await answered(address, request)

                assert status in range(200, 500) or status == 501, (status, body, request)
                assert b"INTERNAL" not in body.upper(), (body, request)
    assert {"/metrics", "/v1/chat/completions", "/foundationModels/v1/completion"} < {path for _, path in routes}
