"""Token counts: the vendor's count of input tokens leaves out those that a cache read or wrote, ours has them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.bodies import token_count


def encode_usage(usage: v1.Usage) -> dict[str, Any]:
    """The counts of an answer. All keys are there, because clients read them unasked."""
    cached, written = usage.cached_input_tokens, usage.cache_write_tokens
    encoded: dict[str, Any] = {
        "input_tokens": max(usage.input_tokens - cached - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        encoded["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return encoded


class UsageDecoder:
    """Counts as they come in several events, each of which overrides those that it names."""

    def __init__(self) -> None:
        self._told: dict[str, Any] = {}
        self._usage: v1.Usage | None = None

    def feed(self, told: object) -> v1.Usage | None:
        """The counts so far; None if nothing is new. Raises PROVIDER_MALFORMED."""
        found = {key: value for key, value in told.items() if value is not None} if isinstance(told, Mapping) else {}
        self._told |= found
        before, self._usage = self._usage, _usage(self._told) if self._told else None
        return None if self._usage == before else self._usage


def _usage(told: Mapping[str, Any]) -> v1.Usage:
    cached = token_count(told.get("cache_read_input_tokens"))
    written = token_count(told.get("cache_creation_input_tokens"))
    details = told.get("output_tokens_details")
    prompt, output = token_count(told.get("input_tokens")) + cached + written, token_count(told.get("output_tokens"))
    return v1.Usage(
        input_tokens=prompt,
        output_tokens=output,
        total_tokens=prompt + output,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=token_count(details.get("thinking_tokens")) if isinstance(details, Mapping) else 0,
    )
