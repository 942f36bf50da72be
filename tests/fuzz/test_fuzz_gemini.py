"""Gemini's wire in both directions with damaged JSON: each side answers with a message or with an error of its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest
import trees
from dragoman import v1
from dragoman_service.dialects.contract import HttpErrorResponse, IncompleteAnswerError
from dragoman_service.dialects.google.gemini.client.dialect import GeminiClientDialect
from dragoman_service.dialects.google.gemini.client.response import decode_count
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.server.dialect import SseDialect
from dragoman_service.errors import CompletionError
from dragoman_service.validation import violations
from values import cases, mutated_bytes

SCHEMA = {
    "type": "OBJECT",
    "nullable": True,
    "properties": {
        "a": {"type": "ARRAY", "items": {"type": 1, "format": "x"}, "min_items": "1"},
        "b": {"anyOf": [{"type": "STRING"}]},
    },
    "propertyOrdering": ["b", "a"],
    "required": ["a"],
}
REQUEST: dict[str, Any] = {
    "systemInstruction": {"parts": {"text": "be brief"}},
    "contents": [
        {"role": "user", "parts": [{"text": "one two"}]},
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True, "thoughtSignature": "YQ=="},
                {"functionCall": {"name": "f", "args": {"x": [1, None]}, "id": "1"}},
            ],
        },
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "three"}}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": SCHEMA}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {
        "temperature": 0.5,
        "topK": 4.0,
        "maxOutputTokens": "9",
        "stopSequences": ["x"],
        "seed": 7,
        "responseSchema": SCHEMA,
        "responseModalities": ["TEXT"],
        "thinkingConfig": {"include_thoughts": True, "thinkingBudget": 0},
        "speechConfig": {},
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": 4}],
    "labels": {"a": "b"},
}
CANDIDATE = {
    "index": 0,
    "content": {
        "role": "model",
        "parts": [
            {"text": "hm", "thought": True},
            {"text": "one", "thoughtSignature": "YQ=="},
            {"functionCall": {"name": "f", "args": {"x": 1}, "id": "1"}},
        ],
    },
    "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW", "probabilityScore": 0.1}],
    "citationMetadata": {"citations": [{"startIndex": 1, "endIndex": 3, "publicationDate": {"year": 2024}}]},
    "logprobsResult": {
        "chosenCandidates": [{"token": "a", "logProbability": -1}],
        "topCandidates": [{"candidates": [{"token": "a", "logProbability": -1}]}],
    },
    "finishReason": "STOP",
}
ANSWER = {
    "candidates": [CANDIDATE],
    "promptFeedback": {"safetyRatings": [{"category": "X", "probability": "LOW"}]},
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "thoughtsTokenCount": 1},
    "modelVersion": "m",
}
ERROR = {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [{"@type": "x"}]}}
ASKED = v1.CompletionRequest(
    model="m",
    messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="hi")])],
    generation_config={"top_logprobs": 2},
)


def outcome(work: Callable[[], Any]) -> tuple[Any, str]:
    """The result of the work, and the reason of its error; "CUT" for an answer that broke off."""
    try:
        return work(), ""
    except IncompleteAnswerError:
        return None, "CUT"
    except CompletionError as error:
        return None, error.reason_name


@pytest.mark.parametrize("api", Api)
def test_a_damaged_request_is_decoded_or_refused(api: Api) -> None:
    dialect = SseDialect(api, stream=True)
    reasons = Counter[str]()
    for chance in cases(f"request {api}", 300):
        body = trees.mutated(chance, REQUEST)
        for decode in (dialect.decode_request, dialect.decode_count):
            found, reason = outcome(partial(decode, body))
            reasons[reason] += 1
            if found is not None:
                list(violations(found.request))
                assert v1.CompletionRequest.FromString(found.request.SerializeToString()) == found.request

    assert reasons.keys() == {"", "INVALID_FIELD", "MALFORMED_REQUEST"}
    assert reasons[""] > 100


def piece_of(chance: Random) -> bytes:
    """An event, perhaps damaged."""
    tree = chance.choice((ANSWER, ANSWER, ERROR))
    return b"data: " + (trees.mutated(chance, tree) if chance.random() < 0.8 else json.dumps(tree).encode()) + b"\n\n"


def decoded(wire: bytes) -> list[v1.CompletionEvent]:
    decoder = GeminiClientDialect().event_decoder(ASKED)
    return [*decoder.feed(wire), *decoder.end()]


def test_a_damaged_answer_is_decoded_or_an_error_of_the_provider() -> None:
    reasons = Counter[str]()
    for chance in cases("answer", 300):
        pieces = [piece_of(chance) for _ in range(chance.randint(1, 3))]
        wire = b"".join(pieces) if chance.random() < 0.5 else pieces[0][6:]
        wire = mutated_bytes(chance, wire) if chance.random() < 0.2 else wire
        events, reason = outcome(partial(decoded, wire))
        reasons[reason] += 1

        assert all(event.WhichOneof("event") for event in events or ())
    assert all(reason in ("", "CUT") or reason.startswith("PROVIDER_") for reason in reasons)
    assert reasons[""] > 40


def test_a_damaged_refusal_or_count_is_an_error_of_the_provider() -> None:
    for chance in cases("refusal", 150):
        body = trees.mutated(chance, chance.choice((ERROR, [ERROR])))
        status = chance.choice((204, 302, 400, 401, 404, 429, 500))
        _, reason = outcome(partial(decode_count, trees.mutated(chance, {"totalTokens": 7})))

        assert GeminiClientDialect().decode_error(HttpErrorResponse(status, body)).reason_name.startswith("PROVIDER_")
        assert reason in ("", "PROVIDER_MALFORMED")
