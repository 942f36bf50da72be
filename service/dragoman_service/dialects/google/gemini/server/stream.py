"""Encodes the events of a streamed answer, each a whole object with what is new.

Clients keep a turn in the history of a chat only if every object of its stream has content, and one of them a finish
reason. So the last character of each candidate, or its last call, is held back until more comes, and goes out at the
end together with the finish reasons and the usage.
"""

from __future__ import annotations

from collections.abc import Iterable

from dragoman import v1

from dragoman_service.dialects.google.gemini.arguments import encode_call
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.safety import encode_feedback
from dragoman_service.dialects.google.gemini.server.response import (
    Wire,
    encode_end,
    encode_logprobs,
    encode_usage,
    head,
)
from dragoman_service.dialects.google.gemini.state import encode_state
from dragoman_service.errors import CompletionError, broken_answer, restarted_answer


class _Candidate:
    """One candidate so far. What was not sent yet is a call, or a text with its state."""

    def __init__(self, index: int, api: Api) -> None:
        self._index = index
        self._api = api
        self._call: v1.ToolCall | None = None
        self._calls = -1
        self._kind = ""
        self._text = ""
        self._state = b""
        self._logprobs: list[v1.TokenLogprob] = []

    def add(self, delta: v1.Delta) -> list[Wire]:
        """Takes a delta. Returns the parts that can be sent now."""
        if delta.logprobs:
            self._logprobs.extend(delta.logprobs)
        match delta.WhichOneof("content"):
            case "text":
                return self._add_text("text", delta.text, delta.state)
            case "reasoning":
                return self._add_text("reasoning", delta.reasoning, delta.state)
            case "refusal":
                return self._add_text("text", delta.refusal, delta.state)
            case "tool_call":
                return self._add_call(delta.tool_call, delta.state)
        return []

    def held(self) -> list[Wire]:
        """The part that was held back, if there is one, which is held no longer."""
        call, kind, text, state = self._call, self._kind, self._text, self._state
        self._call, self._text, self._state = None, "", b""
        if call is not None:
            return [{"functionCall": encode_call(call, self._api), **encode_state(state)}]
        return [{**_text_part(kind, text), **encode_state(state)}] if text or state else []

    def encode(self, parts: list[Wire]) -> Wire:
        """The candidate with these parts, and the log probabilities that came since the last time."""
        encoded: Wire = {"content": {"role": "model", "parts": parts}, "index": self._index}
        if self._logprobs:
            encoded |= encode_logprobs(self._logprobs)
            self._logprobs = []
        return encoded

    def _add_text(self, kind: str, text: str, state: bytes) -> list[Wire]:
        parts = []
        if self._call is not None or self._kind != kind or self._state:
            parts = self.held()
            self._kind = kind
        text = self._text + text
        if len(text) > 1:
            parts.append(_text_part(kind, text[:-1]))
        self._text, self._state = text[-1:], state
        return parts

    def _add_call(self, piece: v1.ToolCallDelta, state: bytes) -> list[Wire]:
        parts = []
        if self._call is None or piece.index != self._calls:
            parts = self.held()
            self._call, self._calls = v1.ToolCall(id=piece.id, name=piece.name), piece.index
        self._call.arguments_json += piece.arguments_json
        self._state = state or self._state
        return parts


class ObjectEncoder:
    """The `EventEncoder` of this dialect, whose pieces are JSON objects. With `thoughts` the model's are shown."""

    def __init__(self, api: Api, *, thoughts: bool = False) -> None:
        self._api = api
        self._thoughts = thoughts
        self._candidates: dict[int, _Candidate] = {}
        self._head: Wire = {}
        self._sent = False
        self._completion: v1.Completion | None = None

    def feed(self, event: v1.CompletionEvent) -> Iterable[Wire]:
        """Raises WORKER_LOST if the answer was retracted after a part of it was sent."""
        match event.WhichOneof("event"):
            case "started":
                self._head = head(event.started.served_model, event.started.completion)
            case "delta":
                return self._delta(event.delta)
            case "retracted":
                self._retract()
            case "finished" if event.finished.HasField("completion"):
                self._completion = event.finished.completion
        return ()

    def end(self) -> Iterable[Wire]:
        if self._completion is None:
            raise broken_answer()
        last: Wire = {}
        prompt = self._completion.prompt_safety
        if not prompt.blocked:
            last["candidates"] = [self._last(choice) for choice in self._completion.choices]
        if feedback := encode_feedback(prompt, self._api):
            last["promptFeedback"] = feedback
        return ({**last, "usageMetadata": encode_usage(self._completion.usage), **self._head},)

    def fail(self, error: CompletionError, call_id: str) -> Iterable[Wire]:
        return ()  # how a stream tells of an error depends on its framing

    def _delta(self, delta: v1.Delta) -> Iterable[Wire]:
        if delta.HasField("reasoning") and not self._thoughts:
            return ()
        index = delta.choice_index
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = _Candidate(index, self._api)
        parts = candidate.add(delta)
        if not parts:
            return ()
        self._sent = True
        return ({"candidates": [candidate.encode(parts)], **self._head},)

    def _last(self, choice: v1.Choice) -> Wire:
        candidate = self._candidates.get(choice.index) or _Candidate(choice.index, self._api)
        return candidate.encode(candidate.held()) | encode_end(choice, self._api)

    def _retract(self) -> None:
        if self._sent:
            raise restarted_answer("Idempotency-Key")
        self._candidates.clear()


def _text_part(kind: str, text: str) -> Wire:
    return {"text": text, "thought": True} if kind == "reasoning" else {"text": text}
