"""Events to completion: the one place that turns a stream into an answer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from dragoman import v1
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2

from dragoman_service.engine.budget import Budget, Share
from dragoman_service.engine.events.findings import Findings
from dragoman_service.engine.events.merging import Kind
from dragoman_service.errors import CompletionError, malformed_answer

MAX_ANSWER = 8 * 1024 * 1024  # characters of all choices together
_LOGPROB = 64  # characters that a log probability, or an alternative to it, counts as: about its size in memory
_MAX_CHOICES = 128
_TOKEN = 4  # characters of a token, for estimates
_COPIES = 2  # of the answer's text, or bytes of its characters
_STEP = 4 * 1024  # characters between counts of the memory that the answer takes


@dataclass(slots=True)
class _OpenPart:
    """A part of the answer so far. Only tool calls have an id and a name, and their `texts` are the arguments."""

    kind: Kind
    texts: list[str]
    id: str = ""
    name: str = ""
    extensions: dict[str, str] = field(default_factory=dict)
    state: bytes = b""
    """The provider's. It completes the part."""


@dataclass(slots=True)
class _Choice:
    parts: list[_OpenPart] = field(default_factory=list)
    calls: list[_OpenPart] = field(default_factory=list)
    logprobs: list[v1.TokenLogprob] = field(default_factory=list)
    finished: v1.ChoiceFinished | None = None

    def append(self, kind: Kind, text: str, state: bytes) -> None:
        part = self.parts[-1] if self.parts else None
        if part is None or part.kind != kind or part.state:
            part = _OpenPart(kind, [])
            self.parts.append(part)
        part.texts.append(text)
        part.state = state

    def append_call(self, delta: v1.ToolCallDelta, state: bytes) -> None:
        """Adds a piece of a tool call.

        Calls arrive one after the other, because only then is a call complete as soon as the next one begins, and a
        reader of the stream can run it. So a piece belongs to the newest call or opens the next one.
        """
        if delta.index == len(self.calls):
            self._open_call(delta)
        elif not self.calls or delta.index != len(self.calls) - 1:
            raise malformed_answer(f"sent a piece of tool call {delta.index} out of order")
        call = self.calls[-1]
        if delta.id not in ("", call.id) or delta.name not in ("", call.name):
            raise malformed_answer(f"changed the id or name of tool call {delta.index}")
        call.texts.append(delta.arguments_json)
        if delta.extensions:
            call.extensions.update(delta.extensions)
        call.state = state or call.state

    def _open_call(self, delta: v1.ToolCallDelta) -> None:
        if not delta.name:
            raise malformed_answer(f"began tool call {delta.index} without a function name")
        call = _OpenPart("tool_call", [], delta.id, delta.name)
        self.calls.append(call)
        self.parts.append(call)


class Fold:
    """Collects the events of one completion. `header` holds what is known before them: names, times, labels.

    What the answer takes is counted in `budget` until `close`.
    """

    def __init__(self, header: v1.Completion, budget: Budget | None = None) -> None:
        self._header = header
        self._budget = budget
        self._share: Share | None = None  # of the budget; short answers need none
        self._counted = _STEP  # characters of the answer for which memory was taken
        self._choices: dict[int, _Choice] = {}
        self._usage: v1.Usage | None = None
        self._deltas = 0
        self._logprobs = 0  # characters that they count as
        self._findings: Findings | None = None
        self._found = 0  # bytes of the findings
        self._empty = 0
        self.characters = 0
        self.weight = 0
        """The characters of the answer so far, and what counts as such."""

    def add(self, event: v1.CompletionEvent) -> None:
        """Takes one event. Raises PROVIDER_MALFORMED for an event that must not come at this point."""
        if event.HasField("delta"):  # first, because almost all are
            self._add_delta(event.delta)
            return
        match event.WhichOneof("event"):
            case "choice_finished":
                self._open_choice(event.choice_finished.choice_index).finished = event.choice_finished
            case "usage":
                self._usage = event.usage
            case "safety":
                if event.safety.HasField("choice_index"):
                    self._open_choice(event.safety.choice_index)
                self._findings = self._findings or Findings()
                self._findings.add_safety(event.safety)
                self._weigh(found=event.safety.ByteSize())
            case "citations":
                self._open_choice(event.citations.choice_index)
                self._findings = self._findings or Findings()
                self._findings.add_citations(event.citations)
                self._weigh(found=event.citations.ByteSize())
            case "started" if not self._header.served_model:
                self._header.served_model = event.started.served_model
                self._header.provider = event.started.provider
                self._header.warnings.extend(event.started.warnings)
            case "attempt":
                self._header.attempts.add().CopyFrom(event.attempt)
            case "retracted" if event.retracted.from_sequence == 1:
                self._forget()
            case "heartbeat":
                pass
            case other:
                raise malformed_answer(f"sent {other or 'an empty event'} within an answer")

    def _forget(self) -> None:
        """The completion starts again: everything received so far is void."""
        self._header.served_model = self._header.provider = ""
        del self._header.warnings[:]
        del self._header.attempts[:]
        self._choices.clear()
        self._usage = self._findings = None
        self._deltas, self._logprobs, self._found, self._empty, self.characters = 0, 0, 0, 0, 0

    def _add_delta(self, delta: v1.Delta) -> None:
        choice = self._open_choice(delta.choice_index)
        self._deltas += 1
        if delta.logprobs:
            choice.logprobs.extend(delta.logprobs)
            counted = sum(1 + len(logprob.top_logprobs) for logprob in delta.logprobs)
            self._logprobs += _LOGPROB * counted + delta.ByteSize()
        kind, state, before = delta.WhichOneof("content"), delta.state, self.characters
        if kind == "tool_call":
            self.characters += len(delta.tool_call.arguments_json)
            self.characters += sum(map(len, delta.tool_call.extensions.values()))
            choice.append_call(delta.tool_call, state)
        elif kind is not None:
            text: str = delta.text if kind == "text" else getattr(delta, kind)
            self.characters += len(text)
            choice.append(kind, text, state)
        if self.characters == before:  # each takes memory all the same
            self._empty += 1
        self._weigh(found=len(state))

    def _weigh(self, found: int) -> None:
        self._found += found
        self.weight = self.characters + self._empty + self._logprobs + self._found
        if self.weight > self._counted:
            self._count()

    def _count(self) -> None:
        """Takes memory for the answer so far, and some more, so that it need not be counted with every event."""
        if self.weight > MAX_ANSWER:
            raise malformed_answer(f"sent more than {MAX_ANSWER} characters")
        self._counted = min(self.weight + _STEP, MAX_ANSWER)
        if self._budget is not None:
            self._share = self._share or self._budget.share()
            self._share.grow_to(_COPIES * (self.weight + _STEP))

    def close(self) -> None:
        """Gives the memory back. What is added later is not counted."""
        self._budget = None
        if self._share is not None:
            self._share.close()

    def _open_choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            if not 0 <= index < _MAX_CHOICES:
                raise malformed_answer(f"sent a choice with the index {index}")
            choice = self._choices[index] = _Choice()
        elif choice.finished is not None:
            raise malformed_answer(f"continued choice {index} after its end")
        return choice

    def usage(self) -> v1.Usage:
        """Usage so far, marked `partial`. What the provider did not report is estimated from what was received."""
        usage = v1.Usage()
        if self._usage is not None:
            usage.CopyFrom(self._usage)
        received = self._deltas if usage.output_tokens else max(self._deltas, self.characters // _TOKEN)
        if self._usage is None or usage.output_tokens < received:
            usage.output_tokens = max(usage.output_tokens, received)
            usage.estimated = True
        usage.total_tokens = usage.input_tokens + usage.output_tokens
        usage.partial = True
        return usage

    def completion(self) -> v1.Completion:
        """The answer. Raises PROVIDER_MALFORMED if there is none, PROVIDER_STREAM_BROKEN if a choice has no end."""
        if not self._choices:
            raise malformed_answer("ended without an answer")
        completion = v1.Completion()
        completion.CopyFrom(self._header)
        set_now(completion.finish_time)
        for index in sorted(self._choices):
            self._close(completion, index, self._choices[index])
        if self._findings is not None:
            self._findings.write(completion)
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
                f"The provider's answer broke off before the end of choice {index}. Send the request again.",
            )
        answer = completion.choices.add(
            index=index,
            finish_reason=end.finish_reason,
            provider_finish_reason=end.provider_finish_reason,
            matched_stop_sequence=end.matched_stop_sequence,
            logprobs=choice.logprobs,
        )
        answer.message.role = v1.ROLE_ASSISTANT
        answer.message.parts.extend(map(_part, choice.parts))
        if end.extensions:
            answer.message.extensions.update(end.extensions)
        completion.system_fingerprint = completion.system_fingerprint or end.system_fingerprint


def set_now(moment: Timestamp) -> None:
    """Sets it to the present time. Quicker than its own method, which would take as long as passing an event on."""
    moment.seconds, moment.nanos = divmod(time.time_ns(), 1_000_000_000)


def _part(part: _OpenPart) -> v1.Part:
    built, text = v1.Part(state=part.state), "".join(part.texts)
    match part.kind:
        case "text":
            built.text = text
        case "reasoning":
            built.reasoning.text = text
        case "refusal":
            built.refusal = text
        case "tool_call":
            call = v1.ToolCall(id=part.id, name=part.name, arguments_json=text, extensions=part.extensions)
            built.tool_call.CopyFrom(call)
    return built
