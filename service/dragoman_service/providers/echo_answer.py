"""What `echo` answers: from a request and its script to tokens and events, without I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dragoman import v1

from dragoman_service.providers.echo_script import EchoSettings, is_script, text_of

Kind = Literal["text", "reasoning", "refusal"]
Chunk = tuple[Kind, list[str]]

_TOKEN = re.compile(r"\s{0,16}(?:\w{1,16}|[^\w\s])|\s{1,16}")


def split(text: str) -> list[str]:
    """The tokens of a text; joined, they are the text."""
    return _TOKEN.findall(text)


def input_tokens(request: v1.CompletionRequest) -> int:
    """Tokens of all messages, scripts included."""
    return sum(len(split(text_of(message))) for message in request.messages)


@dataclass(frozen=True, slots=True)
class Answer:
    """What each of the choices says, and why it stops."""

    chunks: Sequence[Chunk]
    config: v1.GenerationConfig
    logprob: float
    finish_reason: v1.FinishReason.ValueType
    stop_sequence: str = ""

    @property
    def choices(self) -> range:
        return range(self.config.choice_count or 1)

    def deltas(self) -> Iterator[tuple[int, v1.CompletionEvent]]:
        """Each delta with the number of its tokens; the choices take turns."""
        for kind, tokens in self.chunks:
            for index in self.choices:
                event = v1.CompletionEvent()
                event.delta.choice_index = index
                setattr(event.delta, kind, "".join(tokens))
                if self.config.include_logprobs:
                    event.delta.logprobs.extend(self._logprob(token) for token in tokens)
                yield len(tokens), event

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
        """The others of the likeliest are made up: the token with a number behind it, each less likely by one."""
        others = (f"{token}{number}" for number in range(1, self.config.top_logprobs))
        likeliest = [
            v1.TopLogprob(token=name, logprob=self.logprob - rank, token_bytes=name.encode())
            for rank, name in enumerate((token, *others))
        ]
        return v1.TokenLogprob(
            token=token,
            logprob=self.logprob,
            token_bytes=token.encode(),
            top_logprobs=likeliest[: self.config.top_logprobs],
        )


def answer_to(request: v1.CompletionRequest, script: EchoSettings) -> Answer:
    """The answer that `script` asks for, as far as the request's generation config lets it speak."""
    config = request.generation_config
    kind: Kind = "refusal" if script.refusal else "text"
    thoughts = split(script.reasoning)
    words = split(script.refusal or (_last_words(request) if script.text is None else script.text))
    reason = script.finish_reason or (v1.FINISH_REASON_REFUSAL if script.refusal else v1.FINISH_REASON_STOP)
    most = config.max_output_tokens
    if most and len(thoughts) + len(words) > most:
        thoughts, words = thoughts[:most], words[: max(0, most - len(thoughts))]
        reason = v1.FINISH_REASON_MAX_OUTPUT_TOKENS
    text, stop = _cut("".join(words), config.stop_sequences)
    if stop:
        words, reason = split(text), v1.FINISH_REASON_STOP_SEQUENCE
    chunks = [*_chunks("reasoning", thoughts, script.chunk_size), *_chunks(kind, words, script.chunk_size)]
    return Answer(chunks, config, script.logprob, v1.FinishReason.ValueType(reason), stop)


def _last_words(request: v1.CompletionRequest) -> str:
    for message in reversed(request.messages):
        if message.role == v1.ROLE_USER:
            return text_of(message)
    others = [text for text in map(text_of, request.messages) if not is_script(text)]
    return others[-1] if others else ""


def _cut(text: str, stops: Sequence[str]) -> tuple[str, str]:
    """The text before the stop sequence that is complete first, and that sequence; "" if there is none."""
    found = [(at + len(stop), at, stop) for stop in stops if (at := text.find(stop)) >= 0]
    if not found:
        return text, ""
    _, at, stop = min(found)
    return text[:at], stop


def _chunks(kind: Kind, tokens: list[str], size: int) -> Iterator[Chunk]:
    return ((kind, tokens[at : at + size]) for at in range(0, len(tokens), size))
