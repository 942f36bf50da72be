"""Token counts: the vendor's count of input tokens leaves out those that a cache read or wrote, ours has them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman import v1

from dragoman_service.errors import malformed_answer

_MOST_TOKENS = 2**53


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

    def feed(self, told: object) -> v1.Usage | None:
        """The counts so far; None if nothing is new. Raises PROVIDER_MALFORMED."""
        found = {key: value for key, value in told.items() if value is not None} if isinstance(told, Mapping) else {}
        before = decode_usage(self._told) if self._told else None
        self._told |= found
        usage = decode_usage(self._told) if self._told else None
        return None if usage == before else usage


def decode_usage(told: Mapping[str, Any]) -> v1.Usage:
    """Raises PROVIDER_MALFORMED."""
    cached, written = count(told.get("cache_read_input_tokens")), count(told.get("cache_creation_input_tokens"))
    details = told.get("output_tokens_details")
    prompt, output = count(told.get("input_tokens")) + cached + written, count(told.get("output_tokens"))
    return v1.Usage(
        input_tokens=prompt,
        output_tokens=output,
        total_tokens=prompt + output,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=count(details.get("thinking_tokens")) if isinstance(details, Mapping) else 0,
    )


def count(value: object) -> int:
    """A count of tokens, 0 if it is absent. Raises PROVIDER_MALFORMED."""
    found = 0 if value is None else value
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < _MOST_TOKENS:
        raise malformed_answer("sent a usage that is not a count of tokens")
    return found
