"""Whole answers of OpenAI's dialect: what is decoded at once is what is decoded key by key."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
import trees
from decoding import made
from dragoman_service.dialects.openai.client.answer.choices import FINISH_REASONS, Expected
from dragoman_service.dialects.openai.client.answer.whole import plain_answer
from dragoman_service.dialects.openai.client.response import AnswerDecoder
from dragoman_service.dialects.openai.client.stream import StreamDecoder
from values import FACTOR, cases

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
DETAIL = {"type": "reasoning.text", "text": "r", "signature": "s", "index": 0}
LOGPROBS = {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]}
FILTERED = {"hate": {"filtered": False, "severity": "low"}}
DETAILS = {
    "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0},
}
NOTHING: tuple[Any, ...] = (None, None, None, "", [], {}, 0, 0.0, False)
COUNTS = (0, 1, 5, 2**53 - 1, 2**53, -1, 1.0, True, "3")
WORDS = ("a", "é日本🙂", "\u2028", "\ud83d", "", None, ["a"], [{"type": "text", "text": "a"}])
REASONS = (*FINISH_REASONS, "STOP", "Length", "error", "abort", "null", "", None, 1, "other")
# Keys that answers may have, by the object that has them, with what they hold.
MORE: dict[str, dict[str, Any]] = {
    "answer": {
        "object": "text_completion", "system_fingerprint": "f" * 200, "error": {"message": "m", "code": 429},
        "base_resp": {"status_code": 1002, "status_msg": "m"}, "x_groq": {"id": "g"},
        "prompt_filter_results": [{"content_filter_results": FILTERED}], "prompt_progress": {"total": 3, "cache": 1},
        "message": "m", "detail": "m", "errors": ["m"], "service_tier": "default", "usage": {},
    },
    "x_groq": {"usage": {"prompt_tokens": 4}, "error": {"message": "m"}, "id": ""},
    "choice": {
        "index": 3, "delta": {"content": "b"}, "text": "b", "reasoning_content": "r", "logprobs": LOGPROBS,
        "stop_reason": "###", "error": {"message": "m"}, "usage": {"prompt_tokens": 7},
        "content_filter_results": FILTERED, "native_finish_reason": "end", "message": {},
    },
    "message": {
        "reasoning_content": "r", "reasoning": "r", "reasoning_details": [DETAIL], "refusal": "no",
        "tool_calls": [CALL], "function_call": CALL["function"], "annotations": [], "audio": None, "text": "b",
    },
    "usage": {
        **DETAILS, "prompt_cache_hit_tokens": 2, "cached_tokens": 2, "reasoning_tokens": 8, "cost": 0.25,
        "cost_in_usd_ticks": 7, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.5},
    },
}  # fmt: skip


def answer_of(chance: Random, oddity: float) -> dict[str, Any]:
    """An answer, in which a part of `oddity` is not as in plain ones."""

    def usual(value: Any, others: tuple[Any, ...]) -> Any:
        return chance.choice(others) if chance.random() < oddity else value

    message = {"role": "assistant", "content": usual(chance.choice(WORDS[:3]), WORDS)}
    message |= chance.choice(({}, {"reasoning": usual("r1", (1, ["r"]))}, {"reasoning_content": "r2"}))
    reason = usual(chance.choice(("stop", "length")), REASONS)
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": reason}
    counts = zip(("prompt_tokens", "completion_tokens", "total_tokens"), (5, 2, 7), strict=True)
    usage: dict[str, Any] = {key: usual(value, COUNTS) for key, value in counts} | chance.choice(
        ({}, DETAILS, {"prompt_cache_hit_tokens": usual(3, COUNTS)})
    )
    answer = chance.choice(({}, {"x_groq": {"id": "g"}})) | {
        "id": "nobody reads it",
        "object": "chat.completion",
        "choices": [choice],
        "usage": usage,
    }
    for name, holder in (("answer", answer), ("choice", choice), ("message", message), ("usage", usage)):
        key, value = chance.choice(list(MORE[name].items()))
        if chance.random() < 2 * oddity:
            holder[key] = value
        if chance.random() < 2 * oddity:
            holder[chance.choice(list(MORE[name]))] = chance.choice(NOTHING)
        if chance.random() < oddity and holder:
            del holder[chance.choice(list(holder))]
    if isinstance(extras := answer.get("x_groq"), dict):
        extras |= usual({}, tuple({key: value} for key, value in MORE["x_groq"].items()))
    for key, details in usage.items():
        if isinstance(details, dict):
            usage[key] = {name: usual(value, COUNTS) for name, value in details.items()}
    if chance.random() < oddity:
        answer["choices"] = chance.choice(([], [choice, choice], [None], {}, choice))
    return answer


def text_of(chance: Random, oddity: float, damage: float) -> bytes:
    answer = answer_of(chance, oddity)
    if chance.random() < damage:
        return trees.mutated(chance, answer)
    text = json.dumps(answer, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, 1)))
    raw = text.encode(errors="surrogatepass") + chance.choice((b"", b"\n"))
    return raw.replace(b"nobody", b"\xff") if chance.random() < oddity else raw


def expected_by(chance: Random) -> Expected:
    index, tokens = chance.choice((0, 0, 3)), chance.choice((0, 2, 3))
    return Expected(index, chance.choice((1, 1, 1, 2)), tokens, chance.choice(("", "said ")))


def key_by_key(body: bytes, asked: Expected) -> list[Any]:
    decoder = AnswerDecoder(asked)
    events = made(lambda: decoder.decode_complete(body))
    return [*events, *made(decoder.end)] if all(type(event) is str for event in events) else events


@pytest.mark.parametrize(("oddity", "damage", "least"), [(0, 0, 600), (0.05, 0, 200), (0.05, 0.3, 200), (0.3, 0, 0)])
def test_a_whole_answer_is_decoded_at_once_as_it_is_key_by_key(oddity: float, damage: float, least: int) -> None:
    plain = 0
    for chance in cases(f"whole {oddity} {damage}", 1500):
        body, asked = text_of(chance, oddity, damage), expected_by(chance)
        decoder, cut = StreamDecoder(asked, is_json=True), chance.randint(0, len(body))
        fed = [*decoder.feed(body[:cut]), *decoder.feed(body[cut:])]
        plain += plain_answer(body, asked) is not None

        assert fed == []
        assert made(decoder.end) == key_by_key(body, asked), (body, asked)
    assert plain >= least * FACTOR
