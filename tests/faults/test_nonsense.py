"""Fault case 23: an upstream answers with nonsense or an error object under status 200."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from deliveries import DELIVERIES
from fault import Fault
from scripted_upstream import End, Step
from upstream_bytes import DONE, GOOD, HEL, KEY, OTHER_KEY, STREAM, answer, event, piece

ANY_WAIT = (0.001, 60.0)
GZIPPED = STREAM.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
UTF_16 = STREAM.replace(b"text/event-stream", b"text/event-stream; charset=utf-16")


def nonsense(name: str, *script: Step, delivered: str = "") -> Fault:
    return Fault(name, script, "INTERNAL", "PROVIDER_MALFORMED", delivered=delivered)


def whole(body: object) -> bytes:
    return answer(200, json.dumps(body).encode())


def choice(**fields: Any) -> bytes:
    return event(choices=[{"index": 0, **fields}])


TWO = (event(choices=[{"index": 1, "delta": {"content": "x"}}]),)
AFTER_THE_END = (STREAM, *GOOD[:-1], piece("!"))
NONSENSE = [
    nonsense("a page for JSON", answer(200, b"<html>Welcome</html>", "text/html")),
    nonsense("a page called JSON", answer(200, b"<html>Welcome</html>")),
    nonsense("a page called a stream", answer(200, b"<html>\n\n</html>\n\n", "text/event-stream")),
    nonsense("nothing called JSON", answer(200, b"")),
    nonsense("a page in an event", STREAM, b"data: <html>\n\n"),
    nonsense("a page after the first piece", STREAM, HEL, b"data: <html>\n\n", delivered="Hel"),
    nonsense("a list", STREAM, b"data: []\n\n"),
    nonsense("choices that are no list", STREAM, event(choices={"0": {}})),
    nonsense("a choice that is no object", STREAM, event(choices=["Hello"])),
    nonsense("a choice that nobody asked for", STREAM, HEL, *TWO, HEL, delivered="Helx"),
    nonsense("a delta that is no object", STREAM, choice(delta=17)),
    nonsense("content that is a number", STREAM, choice(delta={"content": 17})),
    nonsense("a count that is none", STREAM, HEL, event(choices=[], usage={"prompt_tokens": -1}), delivered="Hel"),
    nonsense("more nesting than a stack holds", STREAM, b"data: " + b"[" * 100_000 + b"\n\n"),
    nonsense("Latin-1", STREAM, HEL, piece("é").decode().encode("latin-1"), delivered="Hel"),
    nonsense("UTF-16", UTF_16, piece("Hello").decode().encode("utf-16-le")),
    nonsense("half a character", STREAM, HEL, piece("é").replace("é".encode(), b"\xc3"), delivered="Hel"),
    Fault("text after the end", AFTER_THE_END, "UNAVAILABLE", "PROVIDER_STREAM_BROKEN", delivered="Hello!"),
    nonsense("an encoding that is not known", STREAM.replace(b"\r\n\r\n", b"\r\ncontent-encoding: br\r\n\r\n"), *GOOD),
    nonsense("gzip that is none", GZIPPED, *GOOD),
    nonsense("no HTTP", b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    nonsense("more bytes than promised, at once", answer(200, HEL, "text/event-stream") + piece("lo") + DONE),
    nonsense("success without content", b"HTTP/1.1 204 None\r\n\r\n", End.KEEP),
]  # fmt: skip


def told(name: str, error: object, code: str, reason: str, *more: Any, head: bool = True) -> Fault:
    """An error object under status 200, in an event or as the complete answer."""
    script = (STREAM, event(error=error)) if head else (whole({"error": error}),)
    return Fault(name, script, code, reason, *more)


CANARY = f"no, {KEY} and {OTHER_KEY}"
MAPPED = [
    told("an error", {"message": CANARY}, "UNAVAILABLE", "PROVIDER_UNAVAILABLE", True, ANY_WAIT),
    told("an error, whole", {"message": CANARY}, "UNAVAILABLE", "PROVIDER_UNAVAILABLE", True, ANY_WAIT, head=False),
    told("an error that is a text", CANARY, "UNAVAILABLE", "PROVIDER_UNAVAILABLE", True, ANY_WAIT),
    told("a status", {"code": 401, "message": CANARY}, "FAILED_PRECONDITION", "PROVIDER_CREDENTIALS"),
    told("a type", {"type": "authentication_error"}, "FAILED_PRECONDITION", "PROVIDER_CREDENTIALS"),
    told("a refusal", {"code": 400, "message": CANARY}, "INVALID_ARGUMENT", "PROVIDER_REJECTED"),
    told("a refusal, whole", {"code": 400, "message": CANARY}, "INVALID_ARGUMENT", "PROVIDER_REJECTED", head=False),
    told("a rate", {"type": "rate_limit_error"}, "RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED", True, ANY_WAIT),
    told("a bill", {"code": "insufficient_quota"}, "FAILED_PRECONDITION", "PROVIDER_QUOTA"),
    told("a long prompt", {"code": "context_length_exceeded"}, "INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED"),
]


def good(name: str, *script: Step) -> Fault:
    return Fault(name, script, "OK", delivered="Hello")


ALL = b"".join(GOOD)
ODD = [
    good("byte by byte", STREAM, *(ALL[i : i + 1] for i in range(len(ALL)))),
    good("CRLF", STREAM, ALL.replace(b"\n", b"\r\n")),
    good("CR", STREAM, ALL.replace(b"\n", b"\r")),
    good("comments", STREAM, b": ping\n\n", HEL, b":\n", b": ping\n", *GOOD[1:]),
    good("other fields", STREAM, b"event: message\nid: 7\nretry: 100\n" + HEL, *GOOD[1:]),
    good("no space after the colon", STREAM, ALL.replace(b"data: ", b"data:")),
    good("data of several lines", STREAM, HEL.replace(b", ", b",\ndata: "), *GOOD[1:]),
    good("a byte order mark", STREAM, b"\xef\xbb\xbf", *GOOD),
    good("gzip that nobody asked for", GZIPPED + gzip.compress(b"".join(GOOD))),
    good("[DONE] without a finish reason", STREAM, *GOOD[:-2], DONE),
    good("no empty line at the end", STREAM, b"".join(GOOD[:-1])[:-1]),
    good("no line end at the end", STREAM, b"".join(GOOD[:-1])[:-2]),
    good("no [DONE]", STREAM, *GOOD[:-1]),
    good("[DONE], and it stays", STREAM, *GOOD, End.HANG),
    good("more after [DONE]", STREAM, *GOOD, piece("!")),
    good("finished twice", STREAM, *GOOD[:-1], *GOOD[-2:]),
    good("a role first", STREAM, choice(delta={"role": "assistant", "content": ""}), *GOOD),
    good("no delta", STREAM, choice(delta=None), *GOOD),
    good("usage at the end", STREAM, *GOOD[:-1], event(choices=[], usage={"prompt_tokens": 1}), DONE),
    good("it goes on first", b"HTTP/1.1 100 Continue\r\n\r\n", STREAM, *GOOD),
    good("whole", whole({"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]})),
]


@pytest.mark.parametrize("fault", [pytest.param(row, id=row.name) for row in (*NONSENSE, *MAPPED, *ODD)])
@pytest.mark.asyncio(loop_scope="module")
async def test_an_answer_with_status_200_is_judged_by_its_content(fault: Fault, standing: Any, logged: Any) -> None:
    upstream, door = standing
    upstream.script = fault.script
    for delivery, ask in DELIVERIES.items():
        fault.check(delivery, await ask(door, "m"))

    assert not [key for key in (KEY, OTHER_KEY) if key in logged.text()]
