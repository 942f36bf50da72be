"""From the pieces of a chat completion to our events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai_errors import error_in_answer, malformed
from dragoman_service.dialects.openai_logprobs import logprobs_of, plain
from dragoman_service.dialects.openai_sse import DONE

_FINISH = {
    "stop": v1.FINISH_REASON_STOP,
    "length": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    "content_filter": v1.FINISH_REASON_CONTENT_FILTER,
}
_CONTENT = {"content": "text", "reasoning_content": "reasoning", "reasoning": "reasoning", "refusal": "refusal"}


class IncompleteAnswerError(Exception):
    """The answer ended in its middle."""


@dataclass(slots=True)
class _Choice:
    """How far one choice has come."""

    index: int
    spoke: bool = False
    refused: bool = False
    end: str = ""


class AnswerDecoder:
    """Decodes one answer, streamed or whole: `feed` it each JSON text, then ask for its `end`.

    `first_index` is the index of its first choice, `choices` how many it holds, `asked` the tokens that each may have
    (0: nobody said). `prefix` is put before the text of each choice. At most `top_logprobs` are shown a token.
    """

    def __init__(
        self, *, first_index: int = 0, choices: int = 1, asked: int = 0, prefix: str = "", top_logprobs: int = 0
    ) -> None:
        self._first = first_index
        self._choices = {index: _Choice(first_index + index) for index in range(choices)}
        self._asked = asked
        self._prefix = prefix
        self._top = top_logprobs
        self._fingerprint = ""
        self._output_tokens: int | None = None
        self._over = False

    @property
    def over(self) -> bool:
        """The upstream said that nothing more comes."""
        return self._over

    def feed(self, data: bytes) -> Iterator[v1.CompletionEvent]:
        """The events of one JSON text. Raises PROVIDER_MALFORMED, or the error that the upstream tells."""
        if data.strip() == DONE:
            self._over = True
            return
        chunk = _object(data)
        if chunk.get("error"):
            raise error_in_answer(chunk["error"])
        fingerprint = chunk.get("system_fingerprint")
        self._fingerprint = fingerprint if isinstance(fingerprint, str) else self._fingerprint
        for choice in _list(chunk, "choices"):
            yield from self._choice(_mapping(choice, "choice"))
        usage = self._usage(chunk)
        if usage is not None:
            yield v1.CompletionEvent(usage=usage)

    def end(self) -> Iterator[v1.CompletionEvent]:
        """The ends of the choices. Raises IncompleteAnswerError if one has none."""
        if not all(choice.end for choice in self._choices.values()):
            raise IncompleteAnswerError
        for choice in self._choices.values():
            yield from self._restore(choice)
            yield v1.CompletionEvent(
                choice_finished=v1.ChoiceFinished(
                    choice_index=choice.index,
                    finish_reason=self._finish_reason(choice),
                    provider_finish_reason=choice.end[:64],
                    system_fingerprint=self._fingerprint[:128],
                )
            )

    def _choice(self, data: Mapping[str, Any]) -> Iterator[v1.CompletionEvent]:
        choice = self._choices.get(_count(data, "index"))
        if choice is None:
            raise malformed("sent a choice that nobody asked for")
        yield from self._deltas(choice, data)
        end = data.get("finish_reason")
        if isinstance(end, str) and end:
            choice.end = end

    def _deltas(self, choice: _Choice, data: Mapping[str, Any]) -> Iterator[v1.CompletionEvent]:
        delta = _mapping(data.get("delta") or data.get("message") or {}, "delta")
        logprobs = logprobs_of(data.get("logprobs"), self._top)
        for key, kind in _CONTENT.items():
            text = delta.get(key)
            if not text:
                continue
            if choice.end:
                raise malformed("went on with a choice after its end")
            yield from self._restore(choice)
            choice.refused = choice.refused or kind == "refusal"
            event = v1.CompletionEvent(delta=v1.Delta(choice_index=choice.index, logprobs=logprobs))
            setattr(event.delta, kind, plain(text))
            logprobs = []
            yield event
        if logprobs:
            yield v1.CompletionEvent(delta=v1.Delta(choice_index=choice.index, logprobs=logprobs))

    def _restore(self, choice: _Choice) -> Iterator[v1.CompletionEvent]:
        if self._prefix and not choice.spoke:
            yield v1.CompletionEvent(delta=v1.Delta(choice_index=choice.index, text=self._prefix))
        choice.spoke = True

    def _usage(self, chunk: Mapping[str, Any]) -> v1.Usage | None:
        """What is told at the end, or while the prompt is read: `prompt_progress` counts it before the first token."""
        if chunk.get("usage"):
            usage = _mapping(chunk["usage"], "usage")
            self._output_tokens = _count(usage, "completion_tokens")
            cached = _count(_mapping(usage.get("prompt_tokens_details") or {}, "usage"), "cached_tokens")
            return _total(_count(usage, "prompt_tokens"), self._output_tokens, cached)
        if chunk.get("prompt_progress"):
            progress = _mapping(chunk["prompt_progress"], "progress")
            return _total(_count(progress, "total"), 0, _count(progress, "cache"))
        return None

    def _finish_reason(self, choice: _Choice) -> v1.FinishReason.ValueType:
        if choice.end == "stop" and choice.refused:
            return v1.FINISH_REASON_REFUSAL
        if choice.end == "length" and self._fell_short():
            return v1.FINISH_REASON_CONTEXT_LENGTH
        return _FINISH.get(choice.end, v1.FINISH_REASON_OTHER)

    def _fell_short(self) -> bool:
        """Fewer tokens came than were asked for, so that it was not their limit which ended the choice."""
        return len(self._choices) == 1 and self._output_tokens is not None and self._output_tokens < self._asked


def _total(prompt: int, output: int, cached: int) -> v1.Usage:
    return v1.Usage(input_tokens=prompt, output_tokens=output, total_tokens=prompt + output, cached_input_tokens=cached)


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        raise malformed("sent what is no JSON") from None
    return _mapping(chunk, "answer")


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise malformed(f"sent a {name} that is no object")
    return value


def _list(chunk: Mapping[str, Any], key: str) -> list[Any]:
    value = chunk.get(key) or []
    if not isinstance(value, list):
        raise malformed(f"sent {key} that are no list")
    return value


def _count(mapping: Mapping[str, Any], key: str) -> int:
    value = mapping.get(key) or 0
    if not isinstance(value, int) or not 0 <= value < 2**53:
        raise malformed(f"sent {key} that is no count")
    return value
