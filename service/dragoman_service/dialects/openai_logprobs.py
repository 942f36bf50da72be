"""The probabilities of tokens as a chat completion carries them."""

from __future__ import annotations

from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai_errors import malformed


def logprobs_of(value: Any, most: int) -> list[v1.TokenLogprob]:
    """The tokens of a choice's `logprobs`, with `most` of the likeliest beside each. Raises PROVIDER_MALFORMED."""
    if not value:
        return []
    try:
        return [_token(entry, most) for entry in value.get("content") or []]
    except (AttributeError, TypeError, ValueError, LookupError):
        raise malformed("sent logprobs that make no sense") from None


def plain(text: Any) -> str:
    """`text` without halves of characters, which JSON can hold and our messages cannot. Raises PROVIDER_MALFORMED."""
    if not isinstance(text, str):
        raise malformed("sent a text that is none")
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _token(entry: Any, most: int) -> v1.TokenLogprob:
    return v1.TokenLogprob(
        token=plain(entry["token"]),
        logprob=entry["logprob"],
        token_bytes=_bytes(entry),
        top_logprobs=[_top(top) for top in (entry.get("top_logprobs") or [])[:most]],
    )


def _top(entry: Any) -> v1.TopLogprob:
    return v1.TopLogprob(token=plain(entry["token"]), logprob=entry["logprob"], token_bytes=_bytes(entry))


def _bytes(entry: Any) -> bytes:
    value = entry.get("bytes")
    return bytes(value) if value is not None else plain(entry["token"]).encode()
