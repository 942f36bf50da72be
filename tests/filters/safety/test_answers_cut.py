"""Answers with parts of all kinds, states, log probabilities and tool calls are the same wherever they are cut."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from itertools import accumulate

from dragoman import v1
from dragoman_service.filters.safety.patterns.filter import make_patterns
from dragoman_service.filters.safety.patterns.settings import PatternsSettings
from dragoman_service.testing import tool_call
from filtered import answer_of, context_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scanning import cut

WRAP = make_patterns(
    PatternsSettings(
        categories={
            "weapons": {"words": ["bomb", "big gun"]},
            "names": {"words": ["mob", "o m"], "patterns": ["ob{1,3}"], "action": "redact", "replacement": "…"},
            "tone": {"patterns": ["^b", "m$"], "action": "annotate"},
        }
    ),
    context_of("house"),
)
PIECES = ["b", "o", "m", " ", "bomb", "mob", "Big\u200b gun", "ｏ", "о", "\n", "!"]


@dataclass(frozen=True)
class Segment:
    """Text of one kind, one token for each piece; `state` ends its part."""

    kind: str
    pieces: tuple[str, ...]
    state: bytes

    @property
    def text(self) -> str:
        return "".join(self.pieces)


SEGMENTS = st.builds(
    Segment,
    st.sampled_from(["text", "text", "reasoning", "refusal", "tool_call"]),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map(tuple),
    st.sampled_from([b"", b"", b"s"]),
)


def events_of(segments, places, *, with_tokens):
    calls, events = 0, []
    for segment in segments:
        if segment.kind == "tool_call":
            pieces = cut(json.dumps({"text": segment.text}), places)
            for number, piece in enumerate(pieces):
                name = {"call_id": str(calls), "name": "write"} if not number else {}
                events.append(tool_call(calls, piece, **name))
            calls += 1
            continue
        pieces = cut(segment.text, places)
        tokens = dict(zip(accumulate(map(len, segment.pieces)), segment.pieces, strict=True)) if with_tokens else {}
        for number, (piece, end) in enumerate(zip(pieces, accumulate(map(len, pieces)), strict=True)):
            last = number == len(pieces) - 1
            delta = v1.Delta(**{segment.kind: piece}, state=segment.state if last else b"")
            complete = [token for at, token in tokens.items() if end - len(piece) < at <= end]
            delta.logprobs.extend(v1.TokenLogprob(token=token) for token in complete)
            events.append(v1.CompletionEvent(delta=delta))
    return events


@settings(max_examples=150)
@given(st.lists(SEGMENTS, min_size=1, max_size=5), st.lists(st.integers(0, 40), max_size=8), st.booleans())
def test_an_answer_is_the_same_wherever_it_is_cut(segments, places, with_tokens):
    answers = []
    for chosen in ([], places, range(41)):
        steps = events_of(segments, chosen, with_tokens=with_tokens)
        answer = asyncio.run(answer_of(WRAP, *steps))
        answer.ClearField("usage")
        answer.ClearField("finish_time")
        answers.append(answer)
    (choice,) = answers[0].choices

    assert answers[0] == answers[1] == answers[2]
    assert choice.safety.blocked == (choice.finish_reason == v1.FINISH_REASON_CONTENT_FILTER)
    assert "big gun" not in str(choice).lower().replace("\\342\\200\\213", "")
    for part in choice.message.parts:
        assert "mob" not in (part.text or part.reasoning.text).replace("\n", " ").split(" ")
