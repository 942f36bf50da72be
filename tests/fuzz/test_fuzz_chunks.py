"""Streams of OpenAI's dialect: what is decoded from whole reads is what is decoded event by event."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import pytest
import trees
from decoding import made
from dragoman_service.dialects.openai.client.answer.choices import Expected
from dragoman_service.dialects.openai.client.answer.chunks import TextChunk
from dragoman_service.dialects.openai.client.response import AnswerDecoder
from dragoman_service.dialects.openai.client.stream import StreamDecoder
from values import cases

CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
LOGPROBS = {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]}
FILTERED = {"hate": {"filtered": False, "severity": "low"}}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
NOTHING: tuple[Any, ...] = (None, "", [], {}, 0, False)
WORDS = (
    "a",
    " b",
    "é",
    "日本",
    "🙂",
    "\\n\\ndata: {",
    "\u2028",
    "c",
    "\ud83d",
    "\ude00",
)  # the last are two halves of one
OTHERS: Sequence[dict[str, Any]] = ({}, {"role": "assistant"}, {"content": "t"})
DELTAS: Sequence[dict[str, Any]] = (
    {"content": ""},
    {"role": "assistant"},
    {"role": "assistant", "content": ""},
    {},
    {"reasoning": "r", "content": "t"},
    {"reasoning": "r", "reasoning_content": "r"},
    {"reasoning": "r", "reasoning_details": [{"type": "reasoning.text", "text": "r", "signature": "s", "index": 0}]},
    {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}]},
    *({"refusal": "no"} | more for more in OTHERS),
    *({"tool_calls": [CALL]} | more for more in OTHERS),
    *({"function_call": {"name": "f", "arguments": "{}"}} | more for more in OTHERS),
)
# Keys of a choice and of a chunk that are not in each chunk, with what they hold.
OF_CHOICE: Sequence[dict[str, Any]] = (
    {"finish_reason": "stop"},
    {"finish_reason": "null"},
    {"logprobs": LOGPROBS},
    {"content_filter_results": FILTERED},
    {"usage": USAGE},
    {"message": {"content": "a"}},
    {"text": "a"},
    {"index": 1},
    {"index": None},
    {"stop_reason": 7, "finish_reason": "stop"},
    {"error": {"message": "m"}},
)
OF_CHUNK: Sequence[dict[str, Any]] = (
    {"usage": USAGE},
    {"usage": USAGE, "choices": []},
    {"choices": []},
    {"object": "text_completion"},
    {"object": "error", "message": "m"},
    {"system_fingerprint": "other"},
    {"x_groq": {"usage": USAGE}},
    {"prompt_filter_results": [{"content_filter_results": FILTERED}]},
    {"prompt_progress": {"total": 3, "cache": 1}},
    {"error": {"message": "m", "code": 429}},
    {"base_resp": {"status_code": 1002, "status_msg": "m"}},
)


def chunk_of(chance: Random) -> dict[str, Any]:
    """A chunk, which is usually one of plain text."""
    key = chance.choice(("content", "content", "content", "reasoning_content", "reasoning"))
    delta: dict[str, Any] = {key: chance.choice(WORDS)}
    if chance.random() < 0.1:
        delta = chance.choice(DELTAS)
    if chance.random() < 0.1:
        delta = delta | {chance.choice(list(chance.choice(DELTAS)) or ["role"]): chance.choice(NOTHING)}
    choice: dict[str, Any] = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    chunk = {"id": "1", "object": "chat.completion.chunk", "system_fingerprint": "fp", "choices": [choice]}
    for holder, more in ((choice, OF_CHOICE), (chunk, OF_CHUNK)):
        if chance.random() < 0.05:
            holder |= chance.choice(more)
        if chance.random() < 0.05:
            holder[chance.choice(list(chance.choice(more)))] = chance.choice(NOTHING)
    if chance.random() < 0.05:
        chunk["choices"] = [choice, choice]
    return chunk


def text_of(chance: Random, damage: float) -> bytes:
    chunk = chunk_of(chance)
    if chance.random() < damage:
        return trees.mutated(chance, chunk)
    text = json.dumps(chunk, ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")
    if chance.random() < damage:
        cut = chance.randint(0, len(text))
        return chance.choice((text + text, text[:cut] + b"\n\ndata: " + text[cut:], b" " + text + b" "))
    return text


def answered(decoder: StreamDecoder, reads: Iterable[bytes]) -> list[Any]:
    """What a decoder makes of each read and of the end, until it fails."""
    answer: list[Any] = []
    for read in reads:
        found = made(lambda read=read: decoder.feed(read))  # type: ignore[misc]
        answer.append((found, decoder.ended, decoder.over))
        if found and type(found[-1]) is not str:
            return answer
    return [*answer, made(decoder.end)]


class OneByOne(AnswerDecoder):
    """Decodes all chunks as the unusual ones are decoded."""

    def _more_text(self, chunks: Sequence[TextChunk], start: int) -> int:
        return start


def expected_by(chance: Random) -> Expected:
    return Expected(choices=chance.choice((1, 1, 1, 2)), prefix=chance.choice(("", "", "before")), max_tokens=9)


@pytest.mark.parametrize("damage", [0.0, 0.05, 0.5])
def test_a_read_of_many_events_is_decoded_as_each_of_them_alone(damage: float) -> None:
    for chance in cases(f"chunks {damage}", 600):
        asked, gap = expected_by(chance), chance.choice((b"\n\n", b"\n\n", b"\r\n\r\n"))
        head = chance.choice((b"data: ", b"data: ", b"data:"))
        reads = [[text_of(chance, damage) for _ in range(chance.choice((1, 1, 5, 30)))] for _ in range(4)]
        reads[-1] += [b"[DONE]"] * chance.choice((0, 1, 1, 2))
        plain = [b"".join(head + text + gap for text in read) for read in reads]
        # Events with comments between them are not taken at once.
        apart = [b"".join(b":" + gap[: len(gap) // 2] + head + text + gap for text in read) for read in reads]
        expected = answered(StreamDecoder(asked, make=OneByOne), apart)

        assert answered(StreamDecoder(asked), plain) == expected, (reads, asked)
        assert answered(StreamDecoder(asked), apart) == expected, (reads, asked)
