"""What the vendor's predictions have no key for, or only in complete ones: finish reasons, log probabilities, tokens.

`finishReason` is a key of ours. It is in each piece of a stream, empty until the answer ends, so that a provider knows
that an answer without it broke off. The vendor's clients ignore it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.bodies import token_count
from dragoman_service.errors import malformed_answer

FINISH_REASON, LOGPROBS = "finishReason", "logprobs"
RECITATION = "RECITATION"
_FINISH = {
    v1.FINISH_REASON_STOP: "STOP",
    v1.FINISH_REASON_STOP_SEQUENCE: "STOP",
    v1.FINISH_REASON_REFUSAL: "STOP",
    v1.FINISH_REASON_MAX_OUTPUT_TOKENS: "MAX_TOKENS",
    v1.FINISH_REASON_CONTEXT_LENGTH: "MAX_TOKENS",
    v1.FINISH_REASON_CONTENT_FILTER: "SAFETY",
    v1.FINISH_REASON_RECITATION: RECITATION,
}
_OURS = {
    "STOP": v1.FINISH_REASON_STOP,
    "MAX_TOKENS": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    "SAFETY": v1.FINISH_REASON_CONTENT_FILTER,
    RECITATION: v1.FINISH_REASON_RECITATION,
}


def encode_finish(reason: v1.FinishReason.ValueType) -> str:
    """The name of a finish reason."""
    return _FINISH.get(reason, "OTHER")


def decode_finish(name: str) -> v1.FinishReason.ValueType:
    """The finish reason with that name."""
    return _OURS.get(name, v1.FINISH_REASON_OTHER)


def encode_tokens(usage: v1.Usage, prompt: int, answer: int) -> dict[str, Any]:
    """The token counts, beside the characters of the prompt and of the answer, without white space."""
    counts = (("inputTokenCount", usage.input_tokens, prompt), ("outputTokenCount", usage.output_tokens, answer))
    return {
        "tokenMetadata": {
            name: {"totalTokens": tokens, "totalBillableCharacters": characters} for name, tokens, characters in counts
        }
    }


def decode_tokens(metadata: Any) -> v1.Usage | None:
    """The token counts in the metadata of an answer, None without any. Raises PROVIDER_MALFORMED."""
    counted = metadata.get("tokenMetadata") if isinstance(metadata, Mapping) else None
    if not isinstance(counted, Mapping):
        return None
    used, generated = (_count(counted.get(name)) for name in ("inputTokenCount", "outputTokenCount"))
    return v1.Usage(input_tokens=used, output_tokens=generated, total_tokens=used + generated)


def encode_logprobs(logprobs: Iterable[v1.TokenLogprob]) -> dict[str, Any]:
    """The tokens of a text with their log probabilities."""
    listed = list(logprobs)
    return {
        "tokens": [token.token for token in listed],
        "tokenLogProbs": [token.logprob for token in listed],
        "topLogProbs": [{top.token: top.logprob for top in token.top_logprobs} for token in listed],
    }


def decode_logprobs(logprobs: Any) -> list[v1.TokenLogprob]:
    """The tokens, empty if there are none. Raises PROVIDER_MALFORMED."""
    if not isinstance(logprobs, Mapping):
        return []
    tokens, numbers, tops = (_list(logprobs.get(key)) for key in ("tokens", "tokenLogProbs", "topLogProbs"))
    if len(numbers) != len(tokens):
        raise malformed_answer("sent another number of log probabilities than of tokens")
    tops += [None] * (len(tokens) - len(tops))
    return [_logprob(*parts) for parts in zip(tokens, numbers, tops, strict=False)]


def _logprob(token: Any, logprob: Any, top: Any) -> v1.TokenLogprob:
    others = top.items() if isinstance(top, Mapping) else ()
    for text, number in ((token, logprob), *others):
        if not isinstance(text, str) or type(number) not in (int, float):
            raise malformed_answer("sent log probabilities that are not numbers of tokens")
    return v1.TokenLogprob(
        token=token,
        logprob=logprob,
        bytes=token.encode(),
        top_logprobs=[v1.TopLogprob(token=t, logprob=n, bytes=t.encode()) for t, n in others],
    )


def _count(counts: Any) -> int:
    return token_count(counts.get("totalTokens")) if isinstance(counts, Mapping) else 0


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
