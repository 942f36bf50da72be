"""Events to completion: the one place that turns a stream into a whole answer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.errors import CompletionError, malformed_answer

MAX_ANSWER = 8 * 1024 * 1024  # characters of all choices together; a logprob counts as many as it takes in memory
_LOGPROB = 64
_TOKEN = 4  # characters of a token, where nobody counts them

Kind = Literal["text", "reasoning", "tool_call", "refusal"]


@dataclass(slots=True)
class _Piece:
    """What will be one part of the answer. Only a tool call has an id and a name, and its `texts` are the arguments."""

    kind: Kind
    texts: list[str]
    id: str = ""
    name: str = ""


@dataclass(slots=True)
class _Choice:
    pieces: list[_Piece] = field(default_factory=list)
    calls: list[_Piece] = field(default_factory=list)
    logprobs: list[v1.TokenLogprob] = field(default_factory=list)
    finished: v1.ChoiceFinished | None = None

    def append(self, kind: Kind, text: str) -> None:
        if self.pieces and self.pieces[-1].kind == kind:
            self.pieces[-1].texts.append(text)
        else:
            self.pieces.append(_Piece(kind, [text]))

    def append_call(self, delta: v1.ToolCallDelta) -> None:
        """Calls come one after the other, in order; text may stand between them."""
        if delta.index == len(self.calls):
            self._open_call(delta)
        elif not self.calls or delta.index != len(self.calls) - 1:
            raise malformed_answer(f"sent a piece of tool call {delta.index} out of order")
        call = self.calls[-1]
        if delta.id not in ("", call.id) or delta.name not in ("", call.name):
            raise malformed_answer(f"changed the id or name of tool call {delta.index} in its middle")
        call.texts.append(delta.arguments_json)

    def _open_call(self, delta: v1.ToolCallDelta) -> None:
        if not delta.name:
            raise malformed_answer(f"began tool call {delta.index} without the name of a function")
        call = _Piece("tool_call", [], delta.id, delta.name)
        self.calls.append(call)
        self.pieces.append(call)


class Fold:
    """Collects the events of one completion. `header` holds what is known before the first: names, times, labels."""

    def __init__(self, header: v1.Completion) -> None:
        self._header = header
        self._choices: dict[int, _Choice] = {}
        self._usage: v1.Usage | None = None
        self._deltas = 0
        self._logprobs = 0
        self.characters = 0

    def add(self, event: v1.CompletionEvent) -> None:
        """Takes one event. Raises PROVIDER_MALFORMED for an event that makes no sense where it stands."""
        match event.WhichOneof("event"):
            case "delta":
                self._add_delta(event.delta)
            case "choice_finished":
                self._open_choice(event.choice_finished.choice_index).finished = event.choice_finished
            case "usage":
                self._usage = event.usage
            case "started" if not self._header.served_model:
                self._header.served_model = event.started.served_model
                self._header.provider = event.started.provider
                self._header.warnings.extend(event.started.warnings)
            case "retracted" if event.retracted.from_sequence == 1:
                self._forget()
            case other:
                raise malformed_answer(f"sent {other or 'an empty event'} in the middle of its answer")

    def _forget(self) -> None:
        """It runs anew: nothing holds of what came."""
        self._header.served_model = self._header.provider = ""
        del self._header.warnings[:]
        self._choices.clear()
        self._usage, self._deltas, self._logprobs, self.characters = None, 0, 0, 0

    def _add_delta(self, delta: v1.Delta) -> None:
        choice = self._open_choice(delta.choice_index)
        self._deltas += 1
        choice.logprobs.extend(delta.logprobs)
        self._logprobs += len(delta.logprobs)
        kind = delta.WhichOneof("content")
        if kind == "tool_call":
            self.characters += len(delta.tool_call.arguments_json)
            choice.append_call(delta.tool_call)
        elif kind is not None:
            text: str = getattr(delta, kind)
            self.characters += len(text)
            choice.append(kind, text)
        if self.characters + _LOGPROB * self._logprobs > MAX_ANSWER:
            raise malformed_answer(f"went on and on: an answer may have {MAX_ANSWER} characters")

    def _open_choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        elif choice.finished is not None:
            raise malformed_answer(f"went on with choice {index} after its end")
        return choice

    def usage(self) -> v1.Usage:
        """What was used so far; `partial`, and estimated from what came as far as the provider said nothing."""
        usage = v1.Usage()
        if self._usage is not None:
            usage.CopyFrom(self._usage)
        said = self._deltas if usage.output_tokens else max(self._deltas, self.characters // _TOKEN)
        if self._usage is None or usage.output_tokens < said:
            usage.output_tokens = max(usage.output_tokens, said)
            usage.estimated = True
        usage.total_tokens = usage.input_tokens + usage.output_tokens
        usage.partial = True
        return usage

    def completion(self) -> v1.Completion:
        """The whole answer. Raises PROVIDER_MALFORMED if there is none, PROVIDER_STREAM_BROKEN if it has no end."""
        if not self._choices:
            raise malformed_answer("ended without an answer")
        completion = v1.Completion()
        completion.CopyFrom(self._header)
        completion.finish_time.FromNanoseconds(time.time_ns())
        for index in sorted(self._choices):
            self._close(completion, index, self._choices[index])
        completion.usage.CopyFrom(self.usage() if self._usage is None else self._usage)
        completion.usage.total_tokens = completion.usage.input_tokens + completion.usage.output_tokens
        completion.usage.partial = False
        return completion

    def _close(self, completion: v1.Completion, index: int, choice: _Choice) -> None:
        end = choice.finished
        if end is None:
            raise CompletionError(
                code_pb2.UNAVAILABLE,
                v1.ERROR_REASON_PROVIDER_STREAM_BROKEN,
                f"The provider's answer broke off: choice {index} has no end. Send the request again.",
            )
        answer = completion.choices.add(
            index=index,
            finish_reason=end.finish_reason,
            provider_finish_reason=end.provider_finish_reason,
            matched_stop_sequence=end.matched_stop_sequence,
            logprobs=choice.logprobs,
        )
        answer.message.role = v1.ROLE_ASSISTANT
        answer.message.parts.extend(map(_part, choice.pieces))
        completion.system_fingerprint = completion.system_fingerprint or end.system_fingerprint


def _part(piece: _Piece) -> v1.Part:
    text = "".join(piece.texts)
    match piece.kind:
        case "text":
            return v1.Part(text=text)
        case "reasoning":
            return v1.Part(reasoning=v1.Reasoning(text=text))
        case "refusal":
            return v1.Part(refusal=text)
        case "tool_call":
            return v1.Part(tool_call=v1.ToolCall(id=piece.id, name=piece.name, arguments_json=text))
