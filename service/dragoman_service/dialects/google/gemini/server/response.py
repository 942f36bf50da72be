"""Encodes complete answers, and what complete and streamed answers have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman import v1

from dragoman_service.dialects.google.gemini.arguments import encode_call
from dragoman_service.dialects.google.gemini.citations import encode_citations
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.safety import encode_feedback, encode_ratings
from dragoman_service.dialects.google.gemini.state import encode_state

Wire = dict[str, Any]

LEAST = -9999.0  # of an impossible token, because JSON has no infinity
REASONS = {
    v1.FINISH_REASON_STOP: "STOP",
    v1.FINISH_REASON_STOP_SEQUENCE: "STOP",
    v1.FINISH_REASON_TOOL_CALLS: "STOP",
    v1.FINISH_REASON_REFUSAL: "STOP",
    v1.FINISH_REASON_MAX_OUTPUT_TOKENS: "MAX_TOKENS",
    v1.FINISH_REASON_CONTEXT_LENGTH: "MAX_TOKENS",
    v1.FINISH_REASON_CONTENT_FILTER: "SAFETY",
    v1.FINISH_REASON_RECITATION: "RECITATION",
}
_VENDORS = {
    v1.FINISH_REASON_CONTENT_FILTER: frozenset({"BLOCKLIST", "PROHIBITED_CONTENT", "SPII"}),
    v1.FINISH_REASON_OTHER: frozenset({"LANGUAGE", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"}),
}
"""Finish reasons of the vendor that say more than ours, and ours for them."""


def encode_completion(completion: v1.Completion, api: Api, *, thoughts: bool) -> Wire:
    """A complete answer. A blocked prompt has no candidates. Raises PROVIDER_MALFORMED as `encode_call` does."""
    answer: Wire = {}
    if not completion.prompt_safety.blocked:
        answer["candidates"] = [_candidate(choice, api, thoughts) for choice in completion.choices]
    if feedback := encode_feedback(completion.prompt_safety, api):
        answer["promptFeedback"] = feedback
    answer["usageMetadata"] = encode_usage(completion.usage)
    return answer | head(completion.served_model, completion.name)


def head(model: str, name: str) -> Wire:
    """What every object of an answer says about it: the model's version, and an id made of the completion's name."""
    return {"modelVersion": model, "responseId": name.rpartition("/")[2]}


def encode_usage(usage: v1.Usage) -> Wire:
    """The token counts. Those of the thoughts are apart from those of the candidates."""
    encoded = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": max(usage.output_tokens - usage.reasoning_tokens, 0),
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    if usage.reasoning_tokens:
        encoded["thoughtsTokenCount"] = usage.reasoning_tokens
    if usage.cached_input_tokens:
        encoded["cachedContentTokenCount"] = usage.cached_input_tokens
    return encoded


def encode_part(part: v1.Part, api: Api) -> Wire:
    """One part. A refusal is text to this dialect."""
    encoded: Wire
    match part.WhichOneof("content"):
        case "reasoning":
            encoded = {"text": part.reasoning.text, "thought": True}
        case "tool_call":
            encoded = {"functionCall": encode_call(part.tool_call, api)}
        case _:
            encoded = {"text": part.text or part.refusal}
    return encoded | encode_state(part.state)


def encode_end(choice: v1.Choice, api: Api) -> Wire:
    """What ends a candidate: the reason, and what was found in it."""
    end: Wire = {"finishReason": _reason(choice), "index": choice.index}
    if choice.safety.message and choice.finish_reason == v1.FINISH_REASON_CONTENT_FILTER:
        end["finishMessage"] = choice.safety.message
    if choice.safety.ratings:
        end["safetyRatings"] = encode_ratings(choice.safety.ratings, api)
    text = "".join(part.text for part in choice.message.parts) if choice.citations else ""
    return end | encode_citations(choice.citations, text, api)


def encode_logprobs(tokens: Sequence[v1.TokenLogprob]) -> Wire:
    """The log probabilities of tokens; empty without tokens."""
    if not tokens:
        return {}
    return {
        "logprobsResult": {
            "chosenCandidates": [_token(token) for token in tokens],
            "topCandidates": [{"candidates": [_token(top) for top in token.top_logprobs]} for token in tokens],
        }
    }


def _candidate(choice: v1.Choice, api: Api, thoughts: bool) -> Wire:
    parts = [part for part in choice.message.parts if thoughts or not part.HasField("reasoning")]
    candidate: Wire = {"content": {"role": "model", "parts": [encode_part(part, api) for part in parts]}}
    candidate |= encode_end(choice, api)
    if choice.logprobs:
        candidate |= encode_logprobs(choice.logprobs)
        candidate["avgLogprobs"] = sum(max(token.logprob, LEAST) for token in choice.logprobs) / len(choice.logprobs)
    return candidate


def _reason(choice: v1.Choice) -> str:
    told = choice.provider_finish_reason
    if told in _VENDORS.get(choice.finish_reason, ()):
        return told
    return REASONS.get(choice.finish_reason, "OTHER")


def _token(token: v1.TokenLogprob | v1.TopLogprob) -> Wire:
    return {"token": token.token, "logProbability": max(token.logprob, LEAST)}
