"""Decodes what an upstream reports about tokens: usage and log probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.client.json import count, mapping, text
from dragoman_service.errors import malformed_answer

_MAX_COST = 1_000_000  # US dollars; more is not what a request costs
_TICKS = 10**10  # of xAI in a US dollar
NO_USAGE = v1.Usage()
"""What was reported before the first report. It must not be changed."""


def decode_usage(chunk: Mapping[str, Any]) -> v1.Usage | None:
    """The running total that a chunk or a complete answer reports, None without one. Raises PROVIDER_MALFORMED.

    While llama.cpp reads the prompt, `prompt_progress` counts its tokens before the first token of the answer.
    """
    if usage := chunk.get("usage") or mapping(chunk.get("x_groq"), "x_groq").get("usage"):
        return _usage(mapping(usage, "usage"))
    progress = mapping(chunk.get("prompt_progress"), "progress")
    if not progress:
        return None
    total = count(progress.get("total"), "total")
    cached = count(progress.get("cache"), "cache")
    return v1.Usage(input_tokens=total, total_tokens=total, cached_input_tokens=cached)


def _usage(usage: Mapping[str, Any]) -> v1.Usage:
    of_prompt = mapping(usage.get("prompt_tokens_details"), "usage")
    of_output = mapping(usage.get("completion_tokens_details"), "usage")
    # DeepSeek's key, and Moonshot's
    cached = of_prompt.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or usage.get("cached_tokens")
    reported = v1.Usage(cost_nano_usd=_cost(usage))
    fill_usage(
        reported,
        count(usage.get("prompt_tokens"), "prompt_tokens"),
        count(usage.get("completion_tokens"), "completion_tokens"),
        count(usage.get("total_tokens"), "total_tokens"),
        cached=count(cached, "cached_tokens"),
        written=count(of_prompt.get("cache_write_tokens"), "cache_write_tokens"),  # OpenRouter's key
        reasoning=count(of_output.get("reasoning_tokens") or usage.get("reasoning_tokens"), "reasoning_tokens"),
    )
    return reported


def fill_usage(
    usage: v1.Usage, prompt: int, output: int, total: int, *, cached: int, written: int, reasoning: int
) -> None:
    """Fills in the counts of an upstream, of which `total` and `reasoning` may contradict the others."""
    # xAI counts the reasoning beside the output, Gemini only in the total. OpenAI counts it within the output.
    if reasoning > output or (reasoning and total == prompt + output + reasoning):
        output += reasoning
    output = max(output, total - prompt)
    usage.input_tokens, usage.output_tokens, usage.total_tokens = prompt, output, prompt + output
    usage.cached_input_tokens, usage.cache_write_tokens, usage.reasoning_tokens = cached, written, reasoning


def _cost(usage: Mapping[str, Any]) -> int | None:
    """What the upstream says that it charged, in billionths of a US dollar. None if it says nothing that makes sense.

    `cost` in US dollars is OpenRouter's key, and ours. With a key of the caller's own at the vendor, OpenRouter charges
    its fee there, and the vendor the rest. https://openrouter.ai/docs/use-cases/usage-accounting,
    https://docs.x.ai/developers/cost-tracking
    """
    if "cost_in_usd_ticks" in usage:
        return _nano_usd(usage["cost_in_usd_ticks"], _TICKS)
    charged = _nano_usd(usage.get("cost"))
    if charged is None or usage.get("is_byok") is not True:
        return charged
    details = usage.get("cost_details")
    rest = _nano_usd(details.get("upstream_inference_cost")) if type(details) is dict else None
    return None if rest is None else charged + rest


def _nano_usd(value: Any, per_dollar: int = 1) -> int | None:
    if type(value) not in (int, float) or not 0 <= value <= _MAX_COST * per_dollar:  # NaN is not
        return None
    return int((Decimal(repr(value)) * 10**9 / per_dollar).to_integral_value())


def decode_logprobs(value: Any, most: int) -> list[v1.TokenLogprob]:
    """The tokens of a choice's `logprobs`, each with at most `most` alternatives. Raises PROVIDER_MALFORMED."""
    if not value:
        return []
    try:
        if "tokens" in value:
            return _parallel_lists(value, most)
        return [_token(entry, most) for entry in value.get("content") or value.get("refusal") or []]
    except (AttributeError, TypeError, ValueError, LookupError):
        raise malformed_answer("sent logprobs that make no sense") from None


def _token(entry: Any, most: int) -> v1.TokenLogprob:
    return v1.TokenLogprob(
        token=text(entry["token"]),
        logprob=entry["logprob"],
        bytes=_bytes(entry),
        top_logprobs=[_top(top) for top in (entry.get("top_logprobs") or [])[:most]],
    )


def _top(entry: Any) -> v1.TopLogprob:
    return v1.TopLogprob(token=text(entry["token"]), logprob=entry["logprob"], bytes=_bytes(entry))


def _bytes(entry: Any) -> bytes:
    value = entry.get("bytes")
    return bytes(value) if value is not None else text(entry["token"]).encode()


def _parallel_lists(value: Mapping[str, Any], most: int) -> list[v1.TokenLogprob]:
    """The format of legacy completions: parallel lists. The very first token has no probability."""
    tokens, logprobs = value["tokens"] or [], value["token_logprobs"] or []
    tops = value.get("top_logprobs") or [None] * len(tokens)
    return [
        v1.TokenLogprob(
            token=text(token), logprob=logprob or 0.0, bytes=token.encode(), top_logprobs=_likeliest(top, most)
        )
        for token, logprob, top in zip(tokens, logprobs, tops, strict=True)
    ]


def _likeliest(top: Mapping[str, float] | None, most: int) -> list[v1.TopLogprob]:
    ranked = sorted((top or {}).items(), key=lambda entry: -entry[1])[:most]
    return [v1.TopLogprob(token=text(token), logprob=logprob, bytes=token.encode()) for token, logprob in ranked]
