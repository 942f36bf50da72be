"""A request of this API while it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field

from dragoman_service.dialects.openai.responses.notes import Note
from dragoman_service.dialects.openai.server.decoded import OpenAIRequest


@dataclass(slots=True)
class ResponsesRequest(OpenAIRequest):
    """A request for a response, or what is known of one that is stored."""

    note: Note = field(default_factory=Note)
    store: bool = True
    """The response can be read again."""
    references: list[str] = field(default_factory=list)
    """Ids of items that the request refers to, and that were not given to the decoder."""
