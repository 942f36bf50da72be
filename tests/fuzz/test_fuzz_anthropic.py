"""Anthropic's wire in both directions with damaged JSON: each side answers with a message or an error of its own."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from random import Random
from typing import Any

import trees
from dragoman import v1
from dragoman_service.dialects.anthropic.client.dialect import AnthropicClientDialect
from dragoman_service.dialects.anthropic.client.response import decode_count
from dragoman_service.dialects.anthropic.server.dialect import MessagesDialect
from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.validation import violations
from test_fuzz_gemini import outcome
from values import cases, mutated_bytes

MARK = {"type": "ephemeral", "ttl": "1h"}
CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {"x": [1, None]}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "YQ=="}}
DOCUMENT = {"type": "document", "title": "t", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": [IMAGE], "is_error": True}
REQUEST: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "stream": True,
    "system": [{"type": "text", "text": "be brief", "cache_control": MARK}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "one"}, IMAGE, DOCUMENT]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "YQ=="},
                {"type": "redacted_thinking", "data": "after.YQ=="},
                CALL,
                {"type": "redacted_thinking", "data": "before.YQ=="},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t", "content": [IMAGE], "is_error": True}],
        },
        {"role": "system", "content": "shout"},
    ],
    "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True}],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "output_config": {"format": {"type": "json_schema", "schema": {}}},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["x"],
    "temperature": 0.5,
    "cache_control": MARK,
}
USAGE = {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 1}}
BLOCKS = [
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "redacted_thinking", "data": "d"},
    {"type": "text", "text": "one"},
    CALL,
]
END = {"stop_reason": "refusal", "stop_sequence": None, "stop_details": {"category": "c", "explanation": "e"}}
ANSWER = {"type": "message", "content": BLOCKS, "usage": USAGE, **END}
EVENTS = [
    {"type": "message_start", "message": {"content": [], "usage": USAGE}},
    *({"type": "content_block_start", "index": 0, "content_block": block} for block in BLOCKS),
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "ping"},
    {"type": "message_delta", "delta": END, "usage": USAGE},
]
ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "m", "details": {"retry_after": 1}}}
ASKED = v1.CompletionRequest(model="m", messages=[v1.Message(role=v1.ROLE_ASSISTANT, parts=[v1.Part(text="hi")])])


def test_a_damaged_request_is_decoded_or_refused() -> None:
    reasons = Counter[str]()
    for chance in cases("request", 400):
        found, reason = outcome(partial(MessagesDialect().decode_request, trees.mutated(chance, REQUEST)))
        reasons[reason] += 1
        if found is not None:
            list(violations(found.request))
            assert v1.CompletionRequest.FromString(found.request.SerializeToString()) == found.request

    assert reasons.keys() == {"", "INVALID_FIELD", "MALFORMED_REQUEST"}
    assert reasons[""] > 50


def wire_of(chance: Random) -> bytes:
    """A message, or some events, of which any may be damaged."""

    def text(tree: Any) -> bytes:
        return trees.mutated(chance, tree) if chance.random() < 0.5 else json.dumps(tree).encode()

    if chance.random() < 0.3:
        return text(ANSWER)
    chosen = [event for event in EVENTS if chance.random() < 0.8] + ([ERROR] if chance.random() < 0.1 else [])
    return b"".join(b"data: " + text(event) + b"\n\n" for event in chosen)


def decoded(wire: bytes) -> list[v1.CompletionEvent]:
    decoder = AnthropicClientDialect(b"mark:").event_decoder(ASKED)
    return [*decoder.feed(wire), *decoder.end()]


def test_a_damaged_answer_is_decoded_or_an_error_of_the_provider() -> None:
    reasons = Counter[str]()
    for chance in cases("answer", 400):
        wire = wire_of(chance)
        wire = mutated_bytes(chance, wire) if chance.random() < 0.2 else wire
        events, reason = outcome(partial(decoded, wire))
        reasons[reason] += 1

        assert all(event.WhichOneof("event") for event in events or ())
    assert all(reason in ("", "CUT") or reason.startswith("PROVIDER_") for reason in reasons)
    assert reasons[""] > 20


def test_a_damaged_refusal_or_count_is_an_error_of_the_provider() -> None:
    for chance in cases("refusal", 150):
        body, status = trees.mutated(chance, ERROR), chance.choice((204, 302, 400, 401, 404, 429, 500, 529))
        _, reason = outcome(partial(decode_count, trees.mutated(chance, {"input_tokens": 7})))

        assert (
            AnthropicClientDialect().decode_error(HttpErrorResponse(status, body)).reason_name.startswith("PROVIDER_")
        )
        assert reason in ("", "PROVIDER_MALFORMED")
