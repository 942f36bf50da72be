"""Measures the client side of OpenAI's dialect without a network: decoding answers, and encoding requests.

Each figure stands beside its floor of the same run: `orjson` alone on the same JSON texts. All cases are measured in
turn, round after round, and the quickest round counts, so that ratios hold on a busy machine too. A run takes about
10 s.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from dragoman import v1
from dragoman_service.dialects.openai.client.dialect import OpenAIClientDialect

TOKENS = 64
ROUNDS, ROUND = 60, 0.002  # seconds of one case in a round
STREAM, WHOLE = "text/event-stream", "application/json"
SCHEMA = json.dumps({"type": "object", "properties": {name: {"type": "string"} for name in ("city", "day", "unit")}})


@dataclass(frozen=True, slots=True)
class Case:
    """`work` does what its name says once, `floor` what cannot be left out of it."""

    name: str
    work: Callable[[], object]
    floor: Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    found = cases()
    figures = measure(found, parser.parse_args().rounds)
    print(f"{'microseconds of CPU':<46}{'ours':>8}{'orjson':>8}{'ratio':>7}")
    for case, (ours, floor) in zip(found, figures, strict=True):
        print(f"{case.name:<46}{ours:>8.1f}{floor:>8.1f}{ours / floor:>7.2f}")


def measure(found: Sequence[Case], rounds: int) -> list[tuple[float, float]]:
    """The quickest round of each case and of its floor, in microseconds."""
    jobs = [job for case in found for job in (case.work, case.floor)]
    counts = [max(1, int(ROUND / once(job, 3))) for job in jobs]
    best = [float("inf")] * len(jobs)
    for _ in range(rounds):
        for place, (job, count) in enumerate(zip(jobs, counts, strict=True)):
            best[place] = min(best[place], once(job, count))
    return [(best[place] * 1e6, best[place + 1] * 1e6) for place in range(0, len(jobs), 2)]


def once(job: Callable[[], object], count: int) -> float:
    """Seconds of CPU of one run of `job`, the mean of `count` of them."""
    began = time.thread_time()
    for _ in range(count):
        job()
    return (time.thread_time() - began) / count


def cases() -> list[Case]:
    """What is measured."""
    dialect, short, tools = OpenAIClientDialect(), request(), request(tools=8)
    found = [
        case for name, extra in (("", {}), (", long chunks", LONG)) for case in streams(dialect, short, name, extra)
    ]
    whole = orjson.dumps(answer())
    encoded = [orjson.loads(dialect.encode_request(each)) for each in (short, tools)]
    return [
        *found,
        Case("decode a whole answer", lambda: decoded(dialect, short, [whole], WHOLE), lambda: orjson.loads(whole)),
        Case("encode 3 messages", lambda: dialect.encode_request(short), lambda: orjson.dumps(encoded[0])),
        Case("encode 3 messages and 8 tools", lambda: dialect.encode_request(tools), lambda: orjson.dumps(encoded[1])),
    ]


def streams(dialect: OpenAIClientDialect, asked: v1.CompletionRequest, name: str, extra: dict[str, Any]) -> list[Case]:
    """The decoding of streams whose chunks have the keys `extra` beside those that every chunk has."""
    texts = [orjson.dumps(each) for each in chunks(extra)]
    pieces = [b"data: " + text + b"\n\n" for text in [*texts, b"[DONE]"]]
    packed = b"".join(pieces)
    middle, floor = packed[len(pieces[0]) + len(pieces[1]) : -sum(map(len, pieces[-3:]))], texts[2:-2]

    def more() -> object:
        decoder = dialect.event_decoder(asked, content_type=STREAM)
        return [*decoder.feed(pieces[0] + pieces[1]), *decoder.feed(middle)]

    def parsed(given: Sequence[bytes]) -> Callable[[], object]:
        return lambda: [orjson.loads(text) for text in given]

    return [
        Case(f"{TOKENS} chunks in one read{name}", lambda: decoded(dialect, asked, [packed], STREAM), parsed(texts)),
        Case(f"{TOKENS} chunks, a read each{name}", lambda: decoded(dialect, asked, pieces, STREAM), parsed(texts)),
        Case(f"the beginning, then {len(floor)} chunks in one read{name}", more, parsed(floor)),
    ]


def decoded(dialect: OpenAIClientDialect, asked: v1.CompletionRequest, pieces: Sequence[bytes], kind: str) -> object:
    decoder = dialect.event_decoder(asked, content_type=kind)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.end()]


LONG = {"service_tier": "default", "system_fingerprint": "fp_34a54ae93c", "usage": None, "obfuscation": "aB3dE5fG"}
USAGE = {"prompt_tokens": 24, "completion_tokens": TOKENS, "total_tokens": 24 + TOKENS}


def chunks(extra: dict[str, Any]) -> list[dict[str, Any]]:
    """A chunk with the role, one for each token, one with the finish reason, and one with the usage."""
    deltas = [{"role": "assistant", "content": ""}, *({"content": f" word{number}"} for number in range(TOKENS)), {}]
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} for delta in deltas
    ]
    choices[-1]["finish_reason"] = "stop"
    base = {"id": "chatcmpl-0123456789", "object": "chat.completion.chunk", "created": 1760000000, "model": "bench"}
    last = base | {"choices": []} | extra | {"usage": USAGE}
    return [*(base | {"choices": [choice]} | extra for choice in choices), last]


def answer() -> dict[str, Any]:
    """A whole answer."""
    message = {"role": "assistant", "content": "".join(f" word{number}" for number in range(TOKENS))}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {"id": "chatcmpl-0123456789", "object": "chat.completion", "choices": [choice], "usage": USAGE}


def request(tools: int = 0) -> v1.CompletionRequest:
    """A conversation of three messages, with so many tools."""
    texts = ((v1.ROLE_SYSTEM, "Be brief. " * 20), (v1.ROLE_USER, "Tell me of whales. " * 20), (v1.ROLE_USER, "Now."))
    functions = [
        v1.FunctionTool(name=f"tool{number}", description="Does it. " * 8, parameters_json_schema=SCHEMA)
        for number in range(tools)
    ]
    return v1.CompletionRequest(
        model="bench",
        messages=[v1.Message(role=role, parts=[v1.Part(text=text)]) for role, text in texts],
        generation_config=v1.GenerationConfig(max_output_tokens=256, temperature=0.2),
        tools=[v1.Tool(function=function) for function in functions],
    )


if __name__ == "__main__":
    main()
