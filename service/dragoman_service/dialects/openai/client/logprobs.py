"""The probabilities of tokens, in the forms of chat completions and of completions of a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.client.json import text
from dragoman_service.errors import malformed_answer


def logprobs_of(value: Any, most: int) -> list[v1.TokenLogprob]:
    """The tokens of a choice's `logprobs`, with `most` of the likeliest beside each. Raises PROVIDER_MALFORMED."""
    if not value:
        return []
    try:
        if "tokens" in value:
            return _listed(value, most)
        return [_token(entry, most) for entry in value.get("content") or value.get("refusal") or []]
    except (AttributeError, TypeError, ValueError, LookupError):
        raise malformed_answer("sent logprobs that make no sense") from None


def _token(entry: Any, most: int) -> v1.TokenLogprob:
    return v1.TokenLogprob(
        token=text(entry["token"]),
        logprob=entry["logprob"],
        token_bytes=_bytes(entry),
        top_logprobs=[_top(top) for top in (entry.get("top_logprobs") or [])[:most]],
    )


def _top(entry: Any) -> v1.TopLogprob:
    return v1.TopLogprob(token=text(entry["token"]), logprob=entry["logprob"], token_bytes=_bytes(entry))


def _bytes(entry: Any) -> bytes:
    value = entry.get("bytes")
    return bytes(value) if value is not None else text(entry["token"]).encode()


def _listed(value: Mapping[str, Any], most: int) -> list[v1.TokenLogprob]:
    """The form for completions of a prompt: lists side by side. The first token of all has no probability."""
    tokens, logprobs = value["tokens"] or [], value["token_logprobs"] or []
    tops = value.get("top_logprobs") or [None] * len(tokens)
    return [
        v1.TokenLogprob(
            token=text(token), logprob=logprob or 0.0, token_bytes=token.encode(), top_logprobs=_likeliest(top, most)
        )
        for token, logprob, top in zip(tokens, logprobs, tops, strict=True)
    ]


def _likeliest(top: Mapping[str, float] | None, most: int) -> list[v1.TopLogprob]:
    ranked = sorted((top or {}).items(), key=lambda entry: -entry[1])[:most]
    return [v1.TopLogprob(token=text(token), logprob=logprob, token_bytes=token.encode()) for token, logprob in ranked]
