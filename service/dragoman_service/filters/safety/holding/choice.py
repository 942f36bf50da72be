"""One choice of an answer: its texts and tool calls in their order, its findings and its end."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import v1

from dragoman_service.filters.safety.holding.judge import ChoiceJudge
from dragoman_service.filters.safety.holding.texts import HeldText, moved
from dragoman_service.filters.safety.holding.tokens import Tokens
from dragoman_service.filters.safety.holding.tool_calls import HeldCall

Events = list[v1.CompletionEvent]


class HeldChoice:
    """Takes the provider's events of one choice, and returns those that may leave."""

    def __init__(self, index: int, judge: ChoiceJudge) -> None:
        self.ended = self.blocked = False
        self._index, self._judge = index, judge
        self._texts: dict[str, HeldText] = {}
        self._kind = ""  # of the newest fragment
        self._call: HeldCall | None = None
        self._citations: list[v1.Citation] = []

    async def delta(self, delta: v1.Delta) -> Events:
        """Takes a fragment. One without content belongs to the newest one."""
        kind = delta.WhichOneof("content") or self._kind or "text"
        if kind == "tool_call":
            return await self._tool_call(delta)
        events = await self._flush() if kind != self._kind else []
        if self.blocked:
            return events
        self._kind = kind
        held = self._texts.get(kind)
        if held is None:
            tokens = Tokens(self._judge.conceals)
            held = self._texts[kind] = HeldText(self._index, kind, self._judge.text(kind), tokens)
        return events + self._let_go(*await held.feed(getattr(delta, kind), delta.logprobs, delta.state))

    def cite(self, citations: Sequence[v1.Citation]) -> None:
        """Takes sources. They leave at the end of the choice, when the text that they point to is known."""
        self._citations.extend(citations)

    async def finish(self, end: v1.ChoiceFinished) -> Events:
        """Takes the end of the choice."""
        events = await self._flush()
        if self.blocked:
            return events
        self.ended = True
        finished = v1.ChoiceFinished()
        finished.CopyFrom(end)
        for key, value in end.extensions.items():
            if self._judge.conceals(value):
                del finished.extensions[key]
        return [*events, *self._reports(), v1.CompletionEvent(choice_finished=finished)]

    async def _tool_call(self, delta: v1.Delta) -> Events:
        events: Events = []
        in_call = self._kind == "tool_call" and self._call is not None and self._call.continues(delta.tool_call)
        if delta.HasField("tool_call") and not in_call:
            events = await self._flush()
            if self.blocked:
                return events
            self._call = HeldCall.begin(delta.tool_call)
        self._kind = "tool_call"
        if self._call is not None:
            self._call.add(delta)
        return events

    async def _flush(self) -> Events:
        """Lets go what is held and may leave, because something else follows."""
        kind, self._kind = self._kind, ""
        if kind == "tool_call" and self._call is not None:
            held, self._call = self._call, None
            call = await self._judge.tool_call(held.complete())
            if self._judge.conceals("".join(logprob.token for logprob in held.logprobs)):
                held.logprobs.clear()
            return self._let_go([] if call is None else [held.delta(self._index, call)], call is None)
        return self._let_go(*await self._texts[kind].end()) if kind in self._texts else []

    def _let_go(self, deltas: Sequence[v1.Delta], blocked: bool) -> Events:
        events = [v1.CompletionEvent(delta=delta) for delta in deltas]
        if blocked:
            self.blocked = self.ended = True
            events += self._reports()
            end = v1.ChoiceFinished(choice_index=self._index, finish_reason=v1.FINISH_REASON_CONTENT_FILTER)
            events.append(v1.CompletionEvent(choice_finished=end))
        return events

    def _reports(self) -> Events:
        events: Events = []
        if citations := [self._moved(one) for one in self._citations if self._may_cite(one)]:
            report = v1.CitationReport(choice_index=self._index, citations=citations)
            events.append(v1.CompletionEvent(citations=report))
        assessment = self._judge.assessment()
        if assessment is not None:
            safety = v1.SafetyReport(choice_index=self._index, assessment=assessment)
            events.append(v1.CompletionEvent(safety=safety))
        return events

    def _may_cite(self, citation: v1.Citation) -> bool:
        """Whether the cited text has left, and nothing in the citation must not."""
        text = self._texts.get("text")
        if self.blocked and citation.end_index > (text.released if text else 0):
            return False
        return not any(map(self._judge.conceals, (citation.title, citation.uri, citation.license)))

    def _moved(self, citation: v1.Citation) -> v1.Citation:
        text = self._texts.get("text")
        if text is None or not text.edits:
            return citation
        shifted = v1.Citation()
        shifted.CopyFrom(citation)
        shifted.start_index = moved(citation.start_index, text.edits, end=False)
        shifted.end_index = moved(citation.end_index, text.edits, end=True)
        return shifted
