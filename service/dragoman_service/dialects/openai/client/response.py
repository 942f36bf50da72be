"""Decodes the JSON objects of an answer: chat completions and completions of a prompt, streamed or complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dragoman import v1

from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.dialects.openai.client.content import EventCollector, decode_content
from dragoman_service.dialects.openai.client.errors import decode_error_event, decode_error_object
from dragoman_service.dialects.openai.client.json import count, items, mapping, parsed
from dragoman_service.dialects.openai.client.tokens import decode_logprobs, decode_usage
from dragoman_service.dialects.openai.client.tool_calls import ToolCalls
from dragoman_service.dialects.sse import DONE, ErrorData
from dragoman_service.errors import malformed_answer

# The server gave up before the end: the words of DeepSeek, vLLM, OpenRouter and Mistral.
_GAVE_UP = frozenset({"insufficient_system_resource", "abort", "error"})
_FINISH_REASONS = {
    "stop": v1.FINISH_REASON_STOP,
    "eos": v1.FINISH_REASON_STOP,
    "eos_token": v1.FINISH_REASON_STOP,
    "end_turn": v1.FINISH_REASON_STOP,
    "stop_sequence": v1.FINISH_REASON_STOP_SEQUENCE,
    "length": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    "max_tokens": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    "model_length": v1.FINISH_REASON_CONTEXT_LENGTH,
    "tool_calls": v1.FINISH_REASON_TOOL_CALLS,
    "tool_use": v1.FINISH_REASON_TOOL_CALLS,
    "function_call": v1.FINISH_REASON_TOOL_CALLS,
    "content_filter": v1.FINISH_REASON_CONTENT_FILTER,
    "violation": v1.FINISH_REASON_CONTENT_FILTER,
}


@dataclass(slots=True)
class _Choice:
    """The progress of one choice."""

    index: int
    prefixed: bool
    """The prefix has been put before its text, or there is none."""
    refused: bool = False
    ended: bool = False
    finish_reason: str = ""
    """The upstream's own word; empty until it comes."""
    stop_sequence: str = ""
    calls: ToolCalls = field(default_factory=ToolCalls)


class AnswerDecoder:
    """Decodes the JSON texts of one answer: `decode` them as they come, then call `end`.

    `first_index` is the index of its first choice, `choices` their number, `max_tokens` the limit of each (0: none is
    known). `prefix` is put before the text of each choice. A token gets at most `top_logprobs` alternatives.
    """

    def __init__(
        self, *, first_index: int = 0, choices: int = 1, max_tokens: int = 0, prefix: str = "", top_logprobs: int = 0
    ) -> None:
        self._choices = {index: _Choice(first_index + index, prefixed=not prefix) for index in range(choices)}
        self._max_tokens = max_tokens
        self._prefix = prefix
        self._top_logprobs = top_logprobs
        self._events = EventCollector()
        self._fingerprint = ""
        self._usage = v1.Usage()
        self.over = False
        """The upstream has said that no more texts follow."""
        self.ended = False
        """Every choice has its finish reason: only usage may follow."""

    def decode(self, texts: Iterable[bytes]) -> list[v1.CompletionEvent]:
        """The events of JSON texts that came together, merged into as few as possible.

        Raises PROVIDER_MALFORMED, or the error that the upstream reports; `take` then has the events before it.
        """
        for data in texts:
            if data == DONE or data.strip() == DONE:
                self.over = True
                break
            if type(data) is ErrorData:
                raise decode_error_event(data)
            self._chunk(parsed(data))
        return self.take()

    def take(self) -> list[v1.CompletionEvent]:
        """The events that were decoded and not yet returned."""
        return self._events.take()

    def end(self) -> list[v1.CompletionEvent]:
        """The last events of the choices. Raises IncompleteAnswerError if one has no finish reason."""
        if not all(choice.ended and choice.finish_reason not in _GAVE_UP for choice in self._choices.values()):
            raise IncompleteAnswerError
        for choice in self._choices.values():
            for call in choice.calls.end():
                self._events.add_tool_call(choice.index, call)
            self._add_prefix(choice)
            self._events.add(v1.CompletionEvent(choice_finished=self._choice_finished(choice)))
        return self.take()

    def _chunk(self, chunk: Mapping[str, Any]) -> None:
        if chunk.get("error") or chunk.get("object") == "error":
            raise decode_error_object(chunk.get("error") or chunk)
        fingerprint = chunk.get("system_fingerprint")
        if type(fingerprint) is str:
            self._fingerprint = fingerprint
        for choice in items(chunk.get("choices"), "choices"):
            if not self._plain_text(choice):
                self._choice(choice)
        if chunk.get("usage") or "prompt_progress" in chunk or "x_groq" in chunk:
            self._report_usage(chunk)

    def _plain_text(self, data: Any) -> bool:
        """Takes `data` if it is more text and nothing else, because nearly every chunk is and this is quicker."""
        try:
            choice, delta = self._choices[data["index"]], data["delta"]
            words = delta["content"]
            if type(words) is not str or len(delta) > 1 or not choice.prefixed or choice.finish_reason:
                return False
            if not words or data.get("finish_reason") or data.get("logprobs"):
                return False
        except (KeyError, TypeError, AttributeError):
            return False
        self._events.add_text(choice.index, "text", words)
        return True

    def _choice(self, data: Any) -> None:
        if type(data) is not dict:
            raise malformed_answer("sent a choice that is not an object")
        choice = self._choices.get(count(data.get("index"), "index"))
        if choice is None:
            raise malformed_answer("sent a choice that was not requested")
        delta = data.get("delta") or data.get("message") or _text_delta(data)
        if delta:
            self._delta(choice, delta, data.get("logprobs"))
        elif data.get("logprobs"):
            self._delta(choice, {}, data["logprobs"])
        reason = data.get("finish_reason")
        if reason and not choice.finish_reason:
            choice.finish_reason = reason if type(reason) is str else "?"
            choice.stop_sequence = _stop_sequence(data)
        # A complete answer has ended even if it names no finish reason.
        choice.ended = choice.ended or bool(choice.finish_reason) or bool(data.get("message"))
        self.ended = all(choice.ended for choice in self._choices.values())

    def _delta(self, choice: _Choice, delta: Any, logprobs: Any) -> None:
        if type(delta) is not dict:
            delta = {"content": delta}
        tokens = decode_logprobs(logprobs, self._top_logprobs)
        for kind, words in decode_content(delta):
            self._continue(choice)
            choice.refused = choice.refused or kind == "refusal"
            self._events.add_text(choice.index, kind, words, tokens)
            tokens = []
        if tokens:
            self._events.add(v1.CompletionEvent(delta=v1.Delta(choice_index=choice.index, logprobs=tokens)))
        if delta.get("tool_calls") or delta.get("function_call"):
            self._continue(choice)
            for call in choice.calls.feed(delta.get("tool_calls")):
                self._events.add_tool_call(choice.index, call)
            for call in choice.calls.feed_function(delta.get("function_call")):
                self._events.add_tool_call(choice.index, call)

    def _continue(self, choice: _Choice) -> None:
        if choice.finish_reason:
            raise malformed_answer("continued a choice after its end")
        self._add_prefix(choice)

    def _add_prefix(self, choice: _Choice) -> None:
        if not choice.prefixed:
            self._events.add_text(choice.index, "text", self._prefix)
        choice.prefixed = True

    def _report_usage(self, chunk: Mapping[str, Any]) -> None:
        problem = mapping(chunk.get("x_groq"), "x_groq").get("error")
        if problem:
            raise decode_error_object(problem)
        usage = decode_usage(chunk)
        if usage is not None and usage != self._usage:
            self._usage = usage
            self._events.set_usage(usage)

    def _choice_finished(self, choice: _Choice) -> v1.ChoiceFinished:
        reason = self._finish_reason(choice)
        stopped = reason == v1.FINISH_REASON_STOP and choice.stop_sequence
        return v1.ChoiceFinished(
            choice_index=choice.index,
            finish_reason=v1.FINISH_REASON_STOP_SEQUENCE if stopped else reason,
            matched_stop_sequence=choice.stop_sequence if stopped else "",
            provider_finish_reason=choice.finish_reason[:64],
            system_fingerprint=self._fingerprint[:128],
        )

    def _finish_reason(self, choice: _Choice) -> v1.FinishReason.ValueType:
        reason = _FINISH_REASONS.get(choice.finish_reason, v1.FINISH_REASON_OTHER)
        if choice.calls and (reason == v1.FINISH_REASON_STOP or not choice.finish_reason):
            return v1.FINISH_REASON_TOOL_CALLS  # servers say "stop" if the request forced the call
        if reason == v1.FINISH_REASON_TOOL_CALLS and not choice.calls:
            return v1.FINISH_REASON_OTHER
        if reason == v1.FINISH_REASON_STOP and choice.refused:
            return v1.FINISH_REASON_REFUSAL
        if reason == v1.FINISH_REASON_MAX_OUTPUT_TOKENS and self._is_short():
            return v1.FINISH_REASON_CONTEXT_LENGTH
        return reason

    def _is_short(self) -> bool:
        """The answer has fewer tokens than the request allowed, so it was not that limit that ended it."""
        return len(self._choices) == 1 and 0 < self._usage.output_tokens < self._max_tokens


def _stop_sequence(choice: Mapping[str, Any]) -> str:
    """The stop sequence that ended `choice`, if the server reports it, as vLLM does in `stop_reason`."""
    stop = choice.get("stop_reason")  # a number is the id of an end token
    return stop[:256] if type(stop) is str else ""


def _text_delta(choice: Mapping[str, Any]) -> dict[str, Any]:
    """The delta of a text completion, whose keys stand in the choice itself. Empty if there is nothing new."""
    keys = {"content": choice.get("text"), "reasoning_content": choice.get("reasoning_content")}
    return {key: value for key, value in keys.items() if value}
