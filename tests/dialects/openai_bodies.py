"""Bodies of requests as callers send them, decoded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.openai.server.fields import CODE, PARAM
from dragoman_service.dialects.openai.server.request import decode_chat_request, decode_text_request
from dragoman_service.errors import CompletionError

HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"b": 1, "a": 2}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def chat(*, reject: bool = True, **more: Any) -> DecodedRequest:
    return decode_chat_request(json.dumps({"model": "m", "messages": HELLO, **more}).encode(), reject=reject)


def legacy(*, reject: bool = True, **more: Any) -> DecodedRequest:
    return decode_text_request(json.dumps({"model": "m", "prompt": "Hello", **more}).encode(), reject=reject)


def decoded_messages(*messages: dict[str, Any]) -> list[v1.Message]:
    return list(chat(messages=list(messages)).request.messages)


def refusal(ask: Any, **more: Any) -> tuple[str, str]:
    with pytest.raises(CompletionError) as caught:
        ask(**more)
    assert caught.value.reason == v1.ERROR_REASON_INVALID_FIELD
    return caught.value.metadata[PARAM], caught.value.metadata[CODE]
