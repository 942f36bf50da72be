"""The answers of `echo`: from a request and its script to tokens and events, without I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dragoman import v1

from dragoman_service.providers.echo.script import EchoCall, EchoSettings, is_script, text_of
from dragoman_service.providers.echo.tools import arguments_of, calls_for

Kind = Literal["text", "reasoning", "refusal", "tool_call"]

_ECHOED_ROLES = (v1.ROLE_USER, v1.ROLE_TOOL)
_TOKEN = re.compile(r"\s{0,16}(?:\w{1,16}|[^\w\s])|\s{1,16}")


def split(text: str) -> list[str]:
    """The tokens of `text`. Joined, they are the text again."""
    return [match[0] for match in _TOKEN.finditer(text)]  # `findall` would keep all other threads from running


def input_tokens(request: v1.CompletionRequest) -> int:
    """The number of tokens of the prompt, or of all messages including scripts."""
    return sum(len(split(text)) for text in texts_of(request))


def texts_of(request: v1.CompletionRequest) -> list[str]:
    """The texts that the model reads."""
    return [request.prompt] if request.prompt else [text_of(message) for message in request.messages]


@dataclass(frozen=True, slots=True)
class Content:
    """Content of one kind, sent in one or more deltas. `call` holds the parts of a tool call other than arguments, and
    `state` goes out with the last one."""

    kind: Kind
    tokens: Sequence[str]
    call: v1.ToolCallDelta | None = None
    state: bytes = b""

    def chunks(self, size: int) -> Iterator[Content]:
        """The same content in pieces of `size` tokens."""
        count = len(self.tokens)
        for at in range(0, count or int(bool(self.state)), size):
            state = self.state if at + size >= count else b""
            yield Content(self.kind, self.tokens[at : at + size], self.call, state)

    def delta(self, choice_index: int) -> v1.Delta:
        delta = v1.Delta(choice_index=choice_index, tool_call=self.call, state=self.state)
        if self.call is None:
            setattr(delta, self.kind, "".join(self.tokens))
        elif not self.call.name:  # a delta with a name has no arguments
            delta.tool_call.arguments_json = "".join(self.tokens)
        return delta


@dataclass(frozen=True, slots=True)
class Answer:
    """The content of each choice, and its finish reason."""

    chunks: Sequence[Content]
    config: v1.GenerationConfig
    logprob: float
    finish_reason: v1.FinishReason.ValueType
    stop_sequence: str = ""

    @property
    def choices(self) -> range:
        return range(self.config.choice_count or 1)

    def deltas(self) -> Iterator[tuple[int, v1.CompletionEvent]]:
        """Each delta with the number of its tokens. The choices take turns."""
        for chunk in self.chunks:
            for index in self.choices:
                event = v1.CompletionEvent(delta=chunk.delta(index))
                if self.config.include_logprobs:
                    event.delta.logprobs.extend(map(self._logprob, chunk.tokens))
                yield len(chunk.tokens), event

    def ends(self) -> Iterator[v1.CompletionEvent]:
        """The end of each choice."""
        for index in self.choices:
            end = v1.ChoiceFinished(
                choice_index=index,
                finish_reason=self.finish_reason,
                matched_stop_sequence=self.stop_sequence,
                system_fingerprint="echo-1",
            )
            yield v1.CompletionEvent(choice_finished=end)

    def _logprob(self, token: str) -> v1.TokenLogprob:
        """The alternatives are invented: the token with a number after it, each less likely by one."""
        others = (f"{token}{number}" for number in range(1, self.config.top_logprobs))
        ranked = [
            v1.TopLogprob(token=name, logprob=self.logprob - rank, bytes=name.encode())
            for rank, name in enumerate((token, *others))
        ]
        return v1.TokenLogprob(
            token=token,
            logprob=self.logprob,
            bytes=token.encode(),
            top_logprobs=ranked[: self.config.top_logprobs],
        )


def answer_to(request: v1.CompletionRequest, script: EchoSettings) -> Answer:
    """The answer that `script` describes, within the limits of the request."""
    config = request.generation_config
    calls = calls_for(request, script) if request.tools else ()
    reasoning = "" if config.reasoning.effort == v1.REASONING_EFFORT_NONE else script.reasoning
    kind: Kind = "refusal" if script.refusal else "text"
    words = Content(kind, split(script.refusal or _words(request, script, calls)))
    state = script.reasoning_state.encode() if config.reasoning.effort != v1.REASONING_EFFORT_NONE else b""
    complete = [Content("reasoning", split(reasoning), state=state), words, *_called(calls)]
    content = _within(complete, config.max_output_tokens or math.inf)
    reason = _reason(script, calls) if content == complete else v1.FINISH_REASON_MAX_OUTPUT_TOKENS
    text, stop = _cut("".join(content[1].tokens), config.stop_sequences)
    if stop:
        content = [content[0], Content(kind, split(text))]
        reason = v1.FINISH_REASON_STOP_SEQUENCE
    chunks = [chunk for part in content for chunk in part.chunks(script.chunk_size)]
    return Answer(chunks, config, script.logprob, reason, stop)


def _words(request: v1.CompletionRequest, script: EchoSettings, calls: Sequence[EchoCall]) -> str:
    if script.text is not None:
        return script.text
    return "" if calls else request.prompt or _last_user_text(request)


def _called(calls: Sequence[EchoCall]) -> Iterator[Content]:
    """Each call as its name, followed by its arguments."""
    for index, call in enumerate(calls):
        yield Content("tool_call", [call.name], v1.ToolCallDelta(index=index, id=call.id, name=call.name))
        yield Content("tool_call", split(arguments_of(call)), v1.ToolCallDelta(index=index))


def _within(content: Sequence[Content], most: float) -> list[Content]:
    """The first `most` tokens of the content."""
    kept, left = [], most
    for part in content:
        tokens = part.tokens if len(part.tokens) <= left else part.tokens[: int(left)]
        kept.append(Content(part.kind, tokens, part.call, part.state if tokens == part.tokens else b""))
        left -= len(tokens)
    return kept


def _reason(script: EchoSettings, calls: Sequence[EchoCall]) -> v1.FinishReason.ValueType:
    if script.finish_reason:
        return v1.FinishReason.ValueType(script.finish_reason)
    if calls:
        return v1.FINISH_REASON_TOOL_CALLS
    return v1.FINISH_REASON_REFUSAL if script.refusal else v1.FINISH_REASON_STOP


def _last_user_text(request: v1.CompletionRequest) -> str:
    for message in reversed(request.messages):
        if message.role in _ECHOED_ROLES:
            return text_of(message)
    others = [text for text in map(text_of, request.messages) if not is_script(text)]
    return others[-1] if others else ""


def _cut(text: str, stops: Sequence[str]) -> tuple[str, str]:
    """The text before the stop sequence that is completed first, and that sequence; "" if there is none."""
    found = [(at + len(stop), at, stop) for stop in stops if (at := text.find(stop)) >= 0]
    if not found:
        return text, ""
    _, at, stop = min(found)
    return text[:at], stop
