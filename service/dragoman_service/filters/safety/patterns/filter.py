"""Blocks, redacts or annotates what the word lists and patterns of the settings find."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dragoman import v1

from dragoman_service.contract import Filter
from dragoman_service.filters.context import FilterContext
from dragoman_service.filters.safety.folding.folding import Folding
from dragoman_service.filters.safety.holding.decisions import Decided, Piece
from dragoman_service.filters.safety.holding.filtering import judged_by
from dragoman_service.filters.safety.holding.judge import PromptVerdict
from dragoman_service.filters.safety.holding.prompts import Rewriter
from dragoman_service.filters.safety.matching.documents import redacted, revealed
from dragoman_service.filters.safety.matching.scanner import Action, Ruleset, Scanner, sliced
from dragoman_service.filters.safety.patterns.segments import Segments
from dragoman_service.filters.safety.patterns.settings import PatternsSettings, finders_of
from dragoman_service.filters.safety.patterns.thresholds import actions_for, level_of
from dragoman_service.timing.off_loop import OffLoop

MAX_ROUNDS = 4  # of replacements in a JSON text, since one may bring about another match


def make_patterns(settings: PatternsSettings, context: FilterContext) -> Filter:
    """The filter. Everything is compiled here, once."""
    rules = Rules(settings, context.name)
    honours = [f"safety_settings.{category}" for category in settings.categories]
    return judged_by(lambda request, _: _Judge(rules, request), honours)


class Rules:
    """The settings, compiled."""

    def __init__(self, settings: PatternsSettings, source: str) -> None:
        self.categories, self.source = settings.categories, source
        self.off_loop = OffLoop()
        self.replacements = [category.replacement for category in settings.categories.values()]
        folding = Folding()
        found = [
            (category.on, finder)
            for number, category in enumerate(settings.categories.values())
            for finder in finders_of(number, category, folding, settings.window)
        ]
        self.prompts = Ruleset([finder for on, finder in found if on != "answer"], folding)
        self.answers = Ruleset([finder for on, finder in found if on != "prompt"], folding)

    def assessment(
        self, actions: Sequence[Action], found: Collection[int], blocking: Collection[int]
    ) -> v1.SafetyAssessment | None:
        """The findings; None if nothing was found. What `blocking` holds was blocked, whatever its action."""
        ratings = []
        for number, (name, category) in enumerate(self.categories.items()):
            if number in found:
                blocked = actions[number] is Action.BLOCK or number in blocking
                level = level_of(category)
                ratings.append(v1.SafetyRating(category=name, level=level, blocked=blocked, source=self.source))
        if not ratings:
            return None
        names = [rating.category for rating in ratings if rating.blocked]
        message = f"The filter {self.source} blocked it: {', '.join(names)}." if names else ""
        return v1.SafetyAssessment(blocked=bool(names), ratings=ratings, message=message)


class _Judge:
    """One call."""

    def __init__(self, rules: Rules, request: v1.CompletionRequest) -> None:
        self._rules = rules
        self._actions, self.warnings = actions_for(request, rules.categories, rules.source)

    async def prompt(self, request: v1.CompletionRequest) -> PromptVerdict:
        if not self._rules.prompts.finders:
            return PromptVerdict(request)
        return await self._rules.off_loop.run(request.ByteSize(), self._judge_prompt, request)

    def _judge_prompt(self, request: v1.CompletionRequest) -> PromptVerdict:
        checks = _Whole(self._rules, self._rules.prompts, self._actions)
        rewritten = Rewriter(request, checks).rewrite()
        return PromptVerdict(rewritten, checks.assessment())

    def choice(self, index: int) -> _Choice:
        return _Choice(self._rules, self._actions)


class _Whole:
    """Texts that are complete. `found` collects the categories."""

    def __init__(self, rules: Rules, ruleset: Ruleset, actions: Sequence[Action]) -> None:
        self._rules, self._ruleset, self._actions = rules, ruleset, actions
        self.found: set[int] = set()
        self.blocked: set[int] = set()
        """Categories that blocked a text because it could not be redacted."""

    def scan(self, text: str) -> Decided:
        """What may leave of the text."""
        scanner = Scanner(self._ruleset, self._actions, self._rules.replacements, self.found)
        pieces: list[Piece] = []
        for step in sliced(text):
            pieces += scanner.feed(step).pieces
        pieces += scanner.end().pieces
        return Decided(pieces, scanner.blocked is not None)

    def document(self, text: str) -> str | None:
        """The JSON text as it may leave; None if it must not."""
        for _ in range(MAX_ROUNDS):
            views = [self.scan(shown) for shown in revealed(text)]
            if any(view.blocked for view in views):
                return None
            if not any(piece.changed for view in views for piece in view.pieces):
                return text
            text = redacted(text, self._redact)
        self.blocked |= self._redactable(text)  # it spans several strings, or its replacement matches
        return None

    def assessment(self) -> v1.SafetyAssessment | None:
        return self._rules.assessment(self._actions, self.found, self.blocked)

    def _redact(self, text: str) -> str:
        return "".join(piece.text for piece in self.scan(text).pieces)

    def _redactable(self, text: str) -> set[int]:
        """The categories of what is to be replaced in the text."""
        fresh = _Whole(self._rules, self._ruleset, self._actions)
        for shown in revealed(text):
            fresh.scan(shown)
        return {category for category in fresh.found if self._actions[category] is Action.REDACT}


class _Choice:
    """One choice of an answer."""

    def __init__(self, rules: Rules, actions: Sequence[Action]) -> None:
        self._rules, self._actions = rules, actions
        self._whole = _Whole(rules, rules.answers, actions)

    def text(self, kind: str) -> Segments:
        return Segments(Scanner(self._rules.answers, self._actions, self._rules.replacements, self._whole.found))

    async def tool_call(self, call: v1.ToolCall) -> v1.ToolCall | None:
        size = len(call.arguments_json)
        arguments = await self._rules.off_loop.run(size, self._whole.document, call.arguments_json)
        if arguments is None or self._whole.scan(call.name).blocked:
            return None
        checked = v1.ToolCall(id=call.id, name=call.name, arguments_json=arguments)
        checked.extensions.update({key: text for key, text in call.extensions.items() if not self.conceals(text)})
        return checked

    def conceals(self, text: str) -> bool:
        whole = _Whole(self._rules, self._rules.answers, self._actions)
        for shown in revealed(text):
            decided = whole.scan(shown)
            if decided.blocked or any(piece.changed for piece in decided.pieces):
                return True
        return False

    def assessment(self) -> v1.SafetyAssessment | None:
        return self._whole.assessment()
