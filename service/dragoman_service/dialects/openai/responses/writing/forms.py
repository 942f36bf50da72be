"""The four forms in which texts stand in items, and the names of their events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """A text in an item: the type and the key of its part, the list that holds it, and the key of its place there."""

    type: str
    key: str
    place: str
    index: str
    part_event: str
    text_event: str

    def part(self, text: str) -> Wire:
        """The part with its text."""
        part: Wire = {"type": self.type, self.key: text}
        return {**part, "annotations": [], "logprobs": []} if self is TEXT else part


TEXT = Form("output_text", "text", "content", "content_index", "content_part", "output_text")
REFUSAL = Form("refusal", "refusal", "content", "content_index", "content_part", "refusal")
REASONING = Form("reasoning_text", "text", "content", "content_index", "content_part", "reasoning_text")
SUMMARY = Form("summary_text", "text", "summary", "summary_index", "reasoning_summary_part", "reasoning_summary_text")
