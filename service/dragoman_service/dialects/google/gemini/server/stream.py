"""Encodes the events of a streamed answer, each a whole object with what is new.

Clients keep a turn in the history of a chat only if every object of its stream has content, and one of them a finish
reason. So the last character of each candidate, or its last call, is held back until more comes, and goes out at the
end together with the finish reasons and the usage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.safety import encode_feedback
from dragoman_service.dialects.google.gemini.server.response import (
    Wire,
    encode_end,
    encode_logprobs,
    encode_part,
    encode_usage,
    head,
)
from dragoman_service.errors import CompletionError, broken_answer


class _Candidate:
    """One candidate so far: `held` is what was not sent yet, at most one part."""

    def __init__(self, index: int, api: Api) -> None:
        self._index = index
        self._api = api
        self._calls = -1
        self.held: v1.Part | None = None
        self.logprobs: list[v1.TokenLogprob] = []

    def add(self, delta: v1.Delta) -> Iterator[v1.Part]:
        """Takes a delta. Yields the parts that can be sent now."""
        self.logprobs.extend(delta.logprobs)
        match delta.WhichOneof("content"):
            case "tool_call":
                yield from self._add_call(delta)
            case "reasoning":
                yield from self._add_text("reasoning", delta.reasoning, delta.state)
            case "text" | "refusal":
                yield from self._add_text("text", delta.text or delta.refusal, delta.state)

    def _add_text(self, kind: str, text: str, state: bytes) -> Iterator[v1.Part]:
        before, self.held = self.held, None
        if before is not None and (before.WhichOneof("content") != kind or before.state):
            yield before
        elif before is not None:
            text = (before.reasoning.text or before.text) + text
        if len(text) > 1:
            yield _part(kind, text[:-1], b"")
        if text or state:
            self.held = _part(kind, text[-1:], state)

    def _add_call(self, delta: v1.Delta) -> Iterator[v1.Part]:
        call = delta.tool_call
        if call.index != self._calls or self.held is None:
            self._calls = call.index
            if self.held is not None:
                yield self.held
            self.held = v1.Part(tool_call=v1.ToolCall(id=call.id, name=call.name))
        self.held.tool_call.arguments_json += call.arguments_json
        self.held.state = delta.state or self.held.state

    def encode(self, parts: Iterable[v1.Part]) -> Wire:
        """The candidate with these parts, and the log probabilities that came since the last time."""
        tokens, self.logprobs = self.logprobs, []
        content = {"role": "model", "parts": [encode_part(part, self._api) for part in parts]}
        return {"content": content, "index": self._index, **encode_logprobs(tokens)}


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
        parts = list(candidate.add(delta))
        if not parts:
            return ()
        self._sent = True
        return ({"candidates": [candidate.encode(parts)], **self._head},)

    def _last(self, choice: v1.Choice) -> Wire:
        candidate = self._candidates.get(choice.index) or _Candidate(choice.index, self._api)
        held = [] if candidate.held is None else [candidate.held]
        return candidate.encode(held) | encode_end(choice, self._api)

    def _retract(self) -> None:
        if self._sent:
            raise CompletionError(
                code_pb2.ABORTED,
                v1.ERROR_REASON_WORKER_LOST,
                "The answer was restarted and its text has changed. Send the request again with the same "
                "Idempotency-Key.",
                retryable=True,
            )
        self._candidates.clear()


def _part(kind: str, text: str, state: bytes) -> v1.Part:
    if kind == "reasoning":
        return v1.Part(reasoning=v1.Reasoning(text=text), state=state)
    return v1.Part(text=text, state=state)
