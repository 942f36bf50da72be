"""A request of this API while it is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dragoman import v1

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

    @property
    def conversation(self) -> Sequence[v1.Message]:
        """The messages without the instructions; a prompt is one of the user."""
        if self.request.prompt:
            return [v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=self.request.prompt)])]
        return self.request.messages[1:] if self.note.instructions else self.request.messages
