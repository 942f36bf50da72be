"""Whatever an upstream or a caller sends, the codec answers with events or with an error of the service."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.dialects.google.predict.client.response import AnswerDecoder
from dragoman_service.dialects.google.predict.server.dialect import JsonDialect
from dragoman_service.dialects.google.predict.tensors import json_of
from dragoman_service.engine.fold import Fold
from dragoman_service.errors import CompletionError
from hypothesis import given, settings
from hypothesis import strategies as st

WORDS = (
    ("candidates", "content", "author", "safetyAttributes", "promptSafetyAttributes", "citationMetadata", "citations"),
    ("categories", "scores", "safetyRatings", "category", "severity", "probabilityScore", "blocked", "errors"),
    ("finishReason", "logprobs", "tokens", "tokenLogProbs", "topLogProbs", "metadata", "tokenMetadata", "startIndex"),
    ("inputTokenCount", "totalTokens", "messages", "examples", "input", "context", "prompt"),
)
KEYS = st.sampled_from(sum(WORDS, ()))
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.sampled_from(["", "a", "STOP", "HIGH"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


def event(tree: Any) -> bytes:
    return b"data: " + orjson.dumps(tree) + b"\n\n"


@settings(max_examples=50)
@given(st.lists(st.dictionaries(KEYS, ODD, max_size=6), min_size=1, max_size=3))
def test_no_answer_is_more_than_malformed(predictions: list[Any]) -> None:
    decoder, fold = AnswerDecoder(9), Fold(v1.Completion())
    with suppress(CompletionError, IncompleteAnswerError):
        for prediction in predictions:
            for decoded in decoder.feed(event({"outputs": [json_of(prediction)]})):
                fold.add(decoded)
        for decoded in decoder.end():
            fold.add(decoded)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["inputs", "instances", "parameters", "x"]), ODD | st.lists(ODD, max_size=2)))
def test_no_request_is_more_than_refused(body: Any) -> None:
    with suppress(CompletionError):
        JsonDialect().decode_request(orjson.dumps(body))
    with suppress(CompletionError):
        JsonDialect().decode_request(orjson.dumps({"inputs": [json_of(body)], "parameters": json_of(body)}))


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_first_event_in_pieces_is_an_event(cut: int) -> None:
    wire = event({"outputs": [json_of({"content": "Hello", "finishReason": "STOP"})]})
    decoder = AnswerDecoder()
    events = [*decoder.feed(wire[:cut]), *decoder.feed(wire[cut:]), *decoder.end()]

    assert [decoded.delta.text for decoded in events if decoded.HasField("delta")] == ["Hello"]
    assert events[-1].choice_finished.finish_reason == v1.FINISH_REASON_STOP


def test_nothing_follows_the_finish_reason() -> None:
    decoder = AnswerDecoder()
    said = event({"outputs": [json_of({"content": "Hello", "finishReason": "STOP"})]})
    list(decoder.feed(said))
    with pytest.raises(CompletionError, match="continued its answer after the end"):
        list(decoder.feed(said))
