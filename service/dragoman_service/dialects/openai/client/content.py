"""What one piece of an answer says: the model's thoughts, its text, its refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from dragoman_service.dialects.openai.client.json import items, mapping, text

Kind = Literal["text", "reasoning", "refusal"]
# Several of these at once hold the same words, for the sake of old and new clients.
_THOUGHTS = ("reasoning_content", "reasoning")


def contents(delta: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    """Each kind of content with its words, thoughts first. Raises PROVIDER_MALFORMED."""
    thoughts = next((delta[key] for key in _THOUGHTS if delta.get(key)), None)
    if thoughts is not None:
        yield "reasoning", text(thoughts)
    else:
        yield from _detailed(delta.get("reasoning_details"))
    content = delta.get("content")
    if type(content) is list:
        yield from _parts(content)
    elif content:
        yield "text", text(content)
    if delta.get("refusal"):
        yield "refusal", text(delta["refusal"])


def _detailed(details: Any) -> Iterator[tuple[Kind, str]]:
    """Thoughts in a list, as OpenRouter sends them: texts, summaries, and what is encrypted and says nothing."""
    for entry in items(details, "reasoning_details"):
        detail = mapping(entry, "reasoning detail")
        words = detail.get("text") or detail.get("summary")
        if words:
            yield "reasoning", text(words)


def _parts(parts: list[Any]) -> Iterator[tuple[Kind, str]]:
    """Content in a list: texts, and thoughts as Mistral sends them."""
    for entry in parts:
        part = mapping(entry, "part")
        if part.get("type") == "thinking":
            for _, words in _parts(items(part.get("thinking"), "thoughts")):
                yield "reasoning", words
        elif part.get("text"):
            yield "text", text(part["text"])
