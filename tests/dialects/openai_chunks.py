"""Pieces of an answer as an OpenAI-compatible upstream sends them, and the events that they are decoded to."""

from __future__ import annotations

import json
from typing import Any

from dragoman import v1
from dragoman_service.dialects.openai.client.answer.choices import Expected
from dragoman_service.dialects.openai.client.response import AnswerDecoder


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish, **more}
    return json.dumps({"choices": [choice], "system_fingerprint": "fp"}).encode()


def usage(prompt: int, completion: int, cached: int = 0) -> bytes:
    details = {"cached_tokens": cached}
    total = {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": details}
    return json.dumps({"choices": [], "usage": total}).encode()


def decoded(*texts: bytes, **options: Any) -> list[v1.CompletionEvent]:
    decoder = AnswerDecoder(Expected(**options))
    events = [event for text in texts for event in decoder.decode([text])]
    return [*events, *decoder.end()]
