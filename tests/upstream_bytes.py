"""What an upstream of OpenAI's dialect sends, byte for byte: headers, pieces of a stream, errors."""

from __future__ import annotations

import json
from typing import Any

from scripted_upstream import End, Script

KEY = "0b5c1f7e-canary-4c4e-9d1a-5f0c2b7a9e11"
"""The service's own key at its upstream. No caller and no log may ever see it."""
OTHER_KEY = "sk-canary-4f9a1b7c2d"
"""A key that is not the service's and looks like one."""
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
STREAM = _HEAD + b"connection: close\r\n\r\n"
CHUNKED = _HEAD + b"transfer-encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def event(**data: Any) -> bytes:
    """A server-sent event."""
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def piece(text: str = "", finish: str | None = None) -> bytes:
    """An event of a streamed chat completion."""
    delta = {"content": text} if text else {}
    return event(object="chat.completion.chunk", choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


HEL = piece("Hel")
GOOD = (HEL, piece("lo"), piece(finish="stop"), DONE)
"""All events of the answer `Hello`."""


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def answer(status: int, body: bytes, content_type: str = "application/json", **headers: str) -> bytes:
    """A complete response. `retry_after="7"` is the header `retry-after: 7`."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    lines = f"HTTP/1.1 {status} Status\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return lines.encode() + body


def json_answer(status: int, body: object, content_type: str = "application/json", **headers: str) -> bytes:
    """A complete response with `body` as JSON."""
    return answer(status, json.dumps(body).encode(), content_type, **headers)


def refusal(status: int, *, kind: str = "", code: str | int | None = None, **headers: str) -> Script:
    """An error as OpenAI's servers send it. Its message shows both keys."""
    message = f"Cannot do it for {KEY} or Bearer {OTHER_KEY}"
    error = {"message": message, "type": kind, "param": None, "code": code}
    return (json_answer(status, {"error": error}, **headers), End.KEEP)
