"""The progress of each choice of an answer, up to its finish reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from dragoman import v1

from dragoman_service.dialects.openai.client.answer.content import SignedReasoning
from dragoman_service.dialects.openai.client.answer.tool_calls import ToolCalls
from dragoman_service.errors import malformed_answer

# The server gave up before the end: the words of DeepSeek, vLLM, OpenRouter and Mistral.
_GAVE_UP = frozenset({"insufficient_system_resource", "abort", "error"})
FINISH_REASONS = {
    "stop": v1.FINISH_REASON_STOP,
    "eos": v1.FINISH_REASON_STOP,
    "eos_token": v1.FINISH_REASON_STOP,
    "end_turn": v1.FINISH_REASON_STOP,
    "stop_sequence": v1.FINISH_REASON_STOP_SEQUENCE,
    "complete": v1.FINISH_REASON_STOP,
    "completed": v1.FINISH_REASON_STOP,
    "length": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    "max_tokens": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    "model_length": v1.FINISH_REASON_CONTEXT_LENGTH,
    "tool_calls": v1.FINISH_REASON_TOOL_CALLS,
    "tool_use": v1.FINISH_REASON_TOOL_CALLS,
    "function_call": v1.FINISH_REASON_TOOL_CALLS,
    "content_filter": v1.FINISH_REASON_CONTENT_FILTER,
    "violation": v1.FINISH_REASON_CONTENT_FILTER,
    "max_output_tokens": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    # Gemini's words, which translators leave as they are
    **dict.fromkeys(("safety", "blocklist", "prohibited_content", "spii"), v1.FINISH_REASON_CONTENT_FILTER),
    "recitation": v1.FINISH_REASON_RECITATION,
}
CUT = frozenset(
    {
        v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
        v1.FINISH_REASON_CONTEXT_LENGTH,
        v1.FINISH_REASON_CONTENT_FILTER,
        v1.FINISH_REASON_RECITATION,
    }
)
NO_REASON = frozenset({"", "null", "none", "finish_reason_unspecified"})  # the choice goes on


class Expected(msgspec.Struct, frozen=True, gc=False):
    """What a request says of its answer."""

    first_index: int = 0
    """The index of its first choice."""
    choices: int = 1
    max_tokens: int = 0
    """The limit of each choice. 0: none is known."""
    prefix: str = ""
    """It is put before the text of each choice."""
    top_logprobs: int = 0
    """A token gets at most so many alternatives."""


ONE = Expected()


@dataclass(slots=True)
class ChoiceState:
    """The progress of one choice."""

    index: int
    prefixed: bool
    """The prefix has been put before its text, or there is none."""
    number: int = 0
    """The upstream's index in the last chunk with content."""
    incoming: int = 0
    """The upstream's index in the chunk that is being decoded."""
    spoke: bool = False
    """Text, a refusal or a tool call came. Reasoning alone is no answer."""
    refused: bool = False
    finish_reason: str = ""
    """The upstream's own word; empty until it comes."""
    meaning: v1.FinishReason.ValueType = v1.FINISH_REASON_OTHER
    """What that word means."""
    reopened: bool = False
    """Content came after the finish reason."""
    continued: bool = False
    """That has happened at least once, so that a finish reason beside content means nothing."""
    unmarked: bool = False
    """Earlier text came without a finish reason, so that the server does not send one with each chunk."""
    apart: bool = False
    """The finish reason came, or was followed by usage, without content, or not with each chunk: it is the end."""
    stop_sequence: str = ""
    streamed: set[str] = field(default_factory=set)
    """The kinds of content that came as deltas, which a complete message repeats."""
    messages: dict[str, str] = field(default_factory=dict)
    """Kind of content → what complete messages have said so far."""
    found: v1.SafetyAssessment | None = None
    """The latest findings of the upstream's filter."""
    calls: ToolCalls = field(default_factory=ToolCalls)
    signed: SignedReasoning = field(default_factory=SignedReasoning)

    @property
    def failed(self) -> bool:
        return self.finish_reason.lower() in _GAVE_UP

    @property
    def finished(self) -> bool:
        """It has its end, whatever becomes of the connection. A finish reason beside content may be premature."""
        stopped = self.meaning == v1.FINISH_REASON_STOP
        return bool(self.finish_reason) and not self.reopened and self.apart and (self.spoke or not stopped)

    def whole(self, *, complete: bool, done: bool) -> bool:
        """The body has ended, and this choice is all there. `complete`: the body was one object; `done`: `[DONE]`."""
        if self.failed:
            return False
        if complete or done:
            return bool(self.finish_reason) or (self.spoke and self.calls.whole)
        answered = self.spoke or self.meaning != v1.FINISH_REASON_STOP
        return bool(self.finish_reason) and not self.reopened and (self.apart or (answered and not self.continued))

    def goes_on(self) -> None:
        """More content came. Raises PROVIDER_MALFORMED if it is that of a choice that was not requested."""
        if self.incoming < self.number or (self.finish_reason and self.incoming != self.number):
            raise malformed_answer("sent a choice that was not requested")
        self.number = self.incoming
        if self.finish_reason:
            self.reopened = self.continued = True
            self.apart = False

    def finish(self, reason: str, stop_sequence: str, *, apart: bool) -> None:
        """Takes a finish reason. Of several in a row the first counts, but "stop" beside content is weaker."""
        early = not self.apart and self.meaning == v1.FINISH_REASON_STOP
        if not self.finish_reason or self.reopened or early:
            self.finish_reason, self.stop_sequence = reason, stop_sequence
            self.meaning = FINISH_REASONS.get(reason.lower(), v1.FINISH_REASON_OTHER)
        self.reopened = False
        self.apart = self.apart or apart or (self.unmarked and self.spoke and not self.continued)

    def finished_event(self, fingerprint: str, tokens: int, max_tokens: int) -> v1.CompletionEvent:
        """Its end. See `cut_reason` for `tokens` and `max_tokens`."""
        reason = self._finish_reason(tokens, max_tokens)
        event = v1.CompletionEvent()
        finished = event.choice_finished
        finished.choice_index = self.index
        finished.finish_reason = reason
        if reason == v1.FINISH_REASON_STOP and self.stop_sequence:
            finished.finish_reason = v1.FINISH_REASON_STOP_SEQUENCE
            finished.matched_stop_sequence = self.stop_sequence
        finished.provider_finish_reason = self.finish_reason[:64]
        finished.system_fingerprint = fingerprint[:128]
        if self.signed:
            finished.extensions.update(self.signed.extensions())
        return event

    def _finish_reason(self, tokens: int, max_tokens: int) -> v1.FinishReason.ValueType:
        reason = self.meaning
        if self.calls and (reason == v1.FINISH_REASON_STOP or not self.finish_reason):
            return v1.FINISH_REASON_TOOL_CALLS  # servers say "stop" if the request forced the call
        if reason == v1.FINISH_REASON_TOOL_CALLS and not self.calls:
            return v1.FINISH_REASON_OTHER
        if reason == v1.FINISH_REASON_STOP and self.refused:
            return v1.FINISH_REASON_REFUSAL
        return cut_reason(reason, tokens, max_tokens)


def cut_reason(reason: v1.FinishReason.ValueType, tokens: int, max_tokens: int) -> v1.FinishReason.ValueType:
    """`reason`, unless a choice of so many `tokens` (0: it is not known) was not cut by the limit of the request."""
    if reason == v1.FINISH_REASON_MAX_OUTPUT_TOKENS and 0 < tokens < max_tokens:
        return v1.FINISH_REASON_CONTEXT_LENGTH
    return reason


def stop_sequence(choice: Mapping[str, Any]) -> str:
    """The stop sequence that ended `choice`, if the server reports it, as vLLM does in `stop_reason`."""
    stop = choice.get("stop_reason")  # a number is the id of an end token
    return stop[:256] if type(stop) is str else ""
