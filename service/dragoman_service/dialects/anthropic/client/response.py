"""Decodes answers: the events of a stream, or a complete message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.anthropic.client.blocks import BlockDecoder
from dragoman_service.dialects.anthropic.client.errors import decode_problem
from dragoman_service.dialects.anthropic.reasons import REFUSAL, finish_reason
from dragoman_service.dialects.anthropic.usage import UsageDecoder
from dragoman_service.dialects.bodies import answer_object, token_count
from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.errors import malformed_answer

Wire = Mapping[str, Any]


class MessageDecoder:
    """The `EventDecoder` of this dialect for JSON objects. State is given `mark`.

    `prefix` is the text of the last turn, if that is the model's: the vendor goes on after it, so it is said first.
    """

    def __init__(self, mark: bytes, prefix: str) -> None:
        self._blocks = BlockDecoder(mark)
        self._usage = UsageDecoder()
        self._prefix = prefix
        self._reason = ""
        self._stop = ""
        self.over = False
        """The end of the message was told."""

    @property
    def ended(self) -> bool:
        """The message has its stop reason."""
        return bool(self._reason)

    def feed(self, piece: Wire) -> Iterator[v1.CompletionEvent]:
        """The events of one object. Raises PROVIDER_MALFORMED, or the error that came in place of it."""
        match piece.get("type"):
            case "error":
                raise decode_problem(piece.get("error"))
            case "message_start":
                yield from self._counted(_object(piece, "message").get("usage"))
            case "content_block_start":
                block = _object(piece, "content_block")
                yield from self._said(self._blocks.start(piece.get("index"), block))
            case "content_block_delta":
                yield from self._said(self._blocks.add(piece.get("index"), _object(piece, "delta")))
            case "content_block_stop":
                yield from self._said(self._blocks.stop())
            case "message_delta":
                yield from self._ended(_object(piece, "delta"))
                yield from self._counted(piece.get("usage"))
            case "message_stop":
                self.over = True
            case "message":
                yield from self._complete(piece)
            case None if "error" in piece:
                raise decode_problem(piece["error"])

    def end(self) -> Iterator[v1.CompletionEvent]:
        """The end of the answer. Raises IncompleteAnswerError without one."""
        if not self._reason:
            raise IncompleteAnswerError
        yield from self._begin()
        reason = finish_reason(self._reason)
        finished = v1.ChoiceFinished(finish_reason=reason, provider_finish_reason=self._reason)
        if reason == v1.FINISH_REASON_STOP_SEQUENCE:
            finished.matched_stop_sequence = self._stop
        yield v1.CompletionEvent(choice_finished=finished)

    def _complete(self, message: Wire) -> Iterator[v1.CompletionEvent]:
        """A message that came at once, as if each of its blocks had come in one piece."""
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            if not isinstance(block, Mapping):
                raise malformed_answer("sent a block that is not an object")
            yield from self._said(self._blocks.start(index, block))
            yield from self._said(self._blocks.stop())
        yield from self._ended(message)
        yield from self._counted(message.get("usage"))
        self.over = True

    def _begin(self) -> Iterator[v1.CompletionEvent]:
        if self._prefix:
            yield v1.CompletionEvent(delta=v1.Delta(text=self._prefix))
            self._prefix = ""

    def _said(self, deltas: Iterator[v1.Delta]) -> Iterator[v1.CompletionEvent]:
        for delta in deltas:
            yield from self._begin()
            yield v1.CompletionEvent(delta=delta)

    def _ended(self, told: Wire) -> Iterator[v1.CompletionEvent]:
        reason, stop, details = told.get("stop_reason"), told.get("stop_sequence"), told.get("stop_details")
        self._reason = str(reason)[:64] if reason else self._reason
        self._stop = stop[:256] if isinstance(stop, str) else self._stop
        if reason == REFUSAL:
            found = v1.SafetyAssessment(blocked=True)
            why = details if isinstance(details, Mapping) else {}
            if isinstance(text := why.get("explanation"), str):
                found.message = text[:512]
            if isinstance(category := why.get("category"), str):
                found.codes.append(category[:64])
            yield v1.CompletionEvent(safety=v1.SafetyReport(choice_index=0, assessment=found))

    def _counted(self, told: object) -> Iterator[v1.CompletionEvent]:
        usage = self._usage.feed(told)
        if usage is not None:
            yield v1.CompletionEvent(usage=usage)


def decode_count(body: bytes) -> v1.CountTokensResponse:
    """The answer to a count of tokens. Raises PROVIDER_MALFORMED."""
    counted = answer_object(body, "a count")
    return v1.CountTokensResponse(input_tokens=token_count(counted.get("input_tokens")))


def _object(piece: Wire, name: str) -> Wire:
    value = piece.get(name)
    if not isinstance(value, Mapping):
        raise malformed_answer(f"sent a {piece['type']} whose {name} is not an object")
    return value
