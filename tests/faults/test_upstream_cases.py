"""Streams that servers in the wild send, each asked for in four ways: `upstream_cases.json`.

A case has `send`, what the upstream writes piece by piece (a number is a pause in seconds), `ask`, and `expect`, what
callers must receive. Its provider `quick` has short time-outs.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from answers import ASKS, Answer
from scripted_upstream import End, Script, Step

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "upstream_cases.json").read_text())
QUICK = {"first_token_timeout": "2s", "idle_timeout": "1s"}
ENDS = {"RST": End.RST, "HANG": End.HANG}


def script_of(case: dict[str, Any]) -> Script:
    """The answer in chunks, so that the end of the body is told from a lost connection."""
    script = case["script"]
    packer = zlib.compressobj(wbits=31) if script.get("gzip") else None
    head = f"HTTP/1.1 {script.get('status', 200)} Said\r\ncontent-type: {script.get('type', 'text/event-stream')}\r\n"
    if packer is not None:
        head += "content-encoding: gzip\r\n"
    steps: list[Step] = [f"{head}transfer-encoding: chunked\r\n\r\n".encode()]
    for step in script["send"]:
        if isinstance(step, int | float):
            steps.append(float(step))
            continue
        data = step.encode()
        if packer is not None:
            data = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
        steps.append(b"%x\r\n%s\r\n" % (len(data), data))
    if packer is not None:
        data = packer.flush()
        steps.append(b"%x\r\n%s\r\n" % (len(data), data))
    if script.get("end"):
        return (*steps, 0.05, ENDS[script["end"]])
    return (*steps, b"0\r\n\r\n")


def check(expect: dict[str, Any], answer: Answer) -> None:
    if "error" in expect:
        assert answer.error is not None
        assert expect["error"].get("contains", "") in answer.error
        return
    assert answer.error is None
    found = {
        "text": answer.text,
        "reasoning": answer.reasoning,
        "calls": answer.calls,
        "finish": answer.finish,
        "usage": list(answer.usage[:2]),
        "total": answer.usage[2],
    }
    assert {key: found[key] for key in expect} == expect


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
async def test_a_stream_from_the_wild_is_whole_or_an_error(case: dict[str, Any], upstream: Any, serve: Any) -> None:
    upstream.script = script_of(case)
    door = await serve(upstream.url, **(QUICK if case.get("provider") == "quick" else {}))
    tools = bool(case.get("ask", {}).get("tools"))
    for answer in await asyncio.gather(*(ask(door, tools) for ask in ASKS.values())):
        check(case["expect"], answer)
