"""What decides about prompts and answers, for one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dragoman import v1

from dragoman_service.filters.safety.holding.decisions import Decided


class TextJudge(Protocol):
    """Judges one text as it comes."""

    async def feed(self, text: str) -> Decided:
        """Takes more of the text."""
        ...

    async def end(self) -> Decided:
        """Decides all that is held, because something else follows. More text may come after that."""
        ...


class ChoiceJudge(Protocol):
    """Judges one choice of an answer."""

    def text(self, kind: str) -> TextJudge:
        """A judge of the choice's texts of one kind, joined."""
        ...

    async def tool_call(self, call: v1.ToolCall) -> v1.ToolCall | None:
        """The complete call as it may leave; None blocks the choice."""
        ...

    def conceals(self, text: str) -> bool:
        """Whether a short text beside the answer, such as an alternative token, must not leave."""
        ...

    def assessment(self) -> v1.SafetyAssessment | None:
        """The findings so far."""
        ...


@dataclass(frozen=True, slots=True)
class PromptVerdict:
    """The request as it may go on (None: it may not), and the findings about its prompt."""

    request: v1.CompletionRequest | None
    assessment: v1.SafetyAssessment | None = None


class Judge(Protocol):
    """Judges one call."""

    @property
    def warnings(self) -> Sequence[v1.Warning]:
        """What of the request's safety settings cannot be met."""
        ...

    async def prompt(self, request: v1.CompletionRequest) -> PromptVerdict:
        """Judges the prompt, before any provider is called. The request is not changed."""
        ...

    def choice(self, index: int) -> ChoiceJudge:
        """A judge of a choice."""
        ...
