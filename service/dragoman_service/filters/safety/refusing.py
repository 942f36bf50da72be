"""A safety filter from one function that finds refused text: for filters of other packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dragoman import v1

from dragoman_service.contract import Filter
from dragoman_service.filters.safety.holding.decisions import Decided, Piece
from dragoman_service.filters.safety.holding.filtering import judged_by
from dragoman_service.filters.safety.holding.judge import PromptVerdict
from dragoman_service.filters.safety.holding.prompts import Rewriter
from dragoman_service.filters.safety.matching.documents import revealed

Search = Callable[[str, int], tuple[int, str] | None]
"""Takes a text and the character from which on to look. Returns the character at which the first refused text begins,
and its category; None if there is none. It may look at one character before and after what it refuses."""


def refusing(search: Search, reach: int, source: str) -> Filter:
    """Blocks prompts and answers in which `search` finds something of at most `reach` characters.

    Answers are held back by `reach` characters, so that nothing refused leaves wherever they are cut. `source` is the
    filter's name in findings.
    """
    return judged_by(lambda request, _: _Judge(search, reach, source), honours=())


class _Judge:
    """One call, or one choice of it."""

    warnings = ()

    def __init__(self, search: Search, reach: int, source: str) -> None:
        self._search, self._reach, self._source = search, reach, source
        self.category = ""
        """The category that blocked it."""

    async def prompt(self, request: v1.CompletionRequest) -> PromptVerdict:
        return PromptVerdict(Rewriter(request, self).rewrite(), self.assessment())

    def choice(self, index: int) -> _Judge:
        return _Judge(self._search, self._reach, self._source)

    def text(self, kind: str) -> _Text:
        return _Text(self, self._reach)

    async def tool_call(self, call: v1.ToolCall) -> v1.ToolCall | None:
        return None if self._refuses((call.name, *revealed(call.arguments_json), *call.extensions.values())) else call

    def conceals(self, text: str) -> bool:
        return any(self._search(shown, 0) for shown in revealed(text))

    def assessment(self) -> v1.SafetyAssessment | None:
        if not self.category:
            return None
        level = v1.SAFETY_LEVEL_HIGH
        rating = v1.SafetyRating(category=self.category, level=level, blocked=True, source=self._source)
        message = f"The filter {self._source} blocked it: {self.category}."
        return v1.SafetyAssessment(blocked=True, ratings=[rating], message=message)

    def scan(self, text: str) -> Decided:
        """What may go on of a complete text."""
        return Decided((), blocked=True) if self._refuses([text]) else Decided([Piece(0, len(text), text)])

    def document(self, text: str) -> str | None:
        """The JSON text, if it may go on."""
        return None if self._refuses(revealed(text)) else text

    def find(self, text: str, start: int, before: int) -> int | None:
        """Where the first refused text begins, if that is before the character `before`."""
        found = self._search(text, start)
        if found is None or found[0] >= before:
            return None
        self.category = found[1]
        return found[0]

    def _refuses(self, texts: Iterable[str]) -> bool:
        return any(self.find(text, 0, len(text) + 1) is not None for text in texts)


class _Text:
    """A text as it comes. A match is decided when it, and the character after it, would be complete."""

    def __init__(self, judge: _Judge, reach: int) -> None:
        self._judge, self._reach = judge, reach
        self._text = ""  # held text, after the last character that has left
        self._from = 0  # the first character of it that is held
        self._released = 0

    async def feed(self, text: str) -> Decided:
        self._text += text
        return self._decide(len(self._text) - self._reach)

    async def end(self) -> Decided:
        decided = self._decide(len(self._text) + 1)
        self._text, self._from = "", 0
        return decided

    def _decide(self, before: int) -> Decided:
        """Decides all matches that begin before the character `before`."""
        if before <= self._from:
            return Decided(())
        found = self._judge.find(self._text, self._from, before)
        cut = min(before, len(self._text)) if found is None else found
        start, text = self._released, self._text[self._from : cut]
        self._released += len(text)
        kept = max(cut - 1, 0)
        self._text, self._from = self._text[kept:], cut - kept
        return Decided([Piece(start, self._released, text)] if text else [], blocked=found is not None)
