"""What an upstream says that a completion has used, as our Usage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.client.json import count, mapping


def usage_of(chunk: Mapping[str, Any]) -> v1.Usage | None:
    """The running total that a chunk or a whole answer tells, where it tells one. Raises PROVIDER_MALFORMED.

    While the prompt is read, `prompt_progress` counts it before the first token.
    """
    told = chunk.get("usage") or mapping(chunk.get("x_groq"), "x_groq").get("usage")
    if told:
        return _told(mapping(told, "usage"))
    progress = mapping(chunk.get("prompt_progress"), "progress")
    if not progress:
        return None
    total = count(progress.get("total"), "total")
    cached = count(progress.get("cache"), "cache")
    return v1.Usage(input_tokens=total, total_tokens=total, cached_input_tokens=cached)


def _told(usage: Mapping[str, Any]) -> v1.Usage:
    prompt = count(usage.get("prompt_tokens"), "prompt_tokens")
    output = count(usage.get("completion_tokens"), "completion_tokens")
    of_prompt = mapping(usage.get("prompt_tokens_details"), "usage")
    of_output = mapping(usage.get("completion_tokens_details"), "usage")
    cached = of_prompt.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")  # the latter is DeepSeek's
    return v1.Usage(
        input_tokens=prompt,
        output_tokens=output,
        total_tokens=prompt + output,
        cached_input_tokens=count(cached, "cached_tokens"),
        reasoning_tokens=count(of_output.get("reasoning_tokens"), "reasoning_tokens"),
    )
