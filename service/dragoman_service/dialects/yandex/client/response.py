"""Decodes the pieces of an answer, each of which repeats the whole text so far."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman import v1
from dragoman.dialect.yandex import v1 as y

from dragoman_service.dialects.bodies import token_count
from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.dialects.yandex.struct import json_of
from dragoman_service.errors import malformed_answer

_Status = y.Alternative.AlternativeStatus
_FINISH = {
    y.Alternative.ALTERNATIVE_STATUS_FINAL: v1.FINISH_REASON_STOP,
    y.Alternative.ALTERNATIVE_STATUS_TRUNCATED_FINAL: v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    y.Alternative.ALTERNATIVE_STATUS_CONTENT_FILTER: v1.FINISH_REASON_CONTENT_FILTER,
    y.Alternative.ALTERNATIVE_STATUS_TOOL_CALLS: v1.FINISH_REASON_TOOL_CALLS,
}
_NOT_ENDED = (y.Alternative.ALTERNATIVE_STATUS_UNSPECIFIED, y.Alternative.ALTERNATIVE_STATUS_PARTIAL)


class AnswerDecoder:
    """The `EventDecoder` of this dialect, for an answer of one choice.

    `max_tokens` is the limit of the answer (0: none is known).
    """

    over = False
    """The end of the gRPC stream says that nothing more follows; no piece does."""

    def __init__(self, max_tokens: int = 0) -> None:
        self._max_tokens = max_tokens
        self._text = ""
        self._usage = v1.Usage()
        self._status: _Status.ValueType = y.Alternative.ALTERNATIVE_STATUS_UNSPECIFIED
        self._version = ""

    @property
    def ended(self) -> bool:
        """The choice has its finish reason."""
        return self._status not in _NOT_ENDED

    def feed(self, piece: y.CompletionResponse) -> Iterator[v1.CompletionEvent]:
        """The events of one piece. Raises PROVIDER_MALFORMED."""
        if self.ended:
            raise malformed_answer("continued its answer after the end")
        if len(piece.alternatives) > 1:
            raise malformed_answer("sent an answer that was not requested")
        self._version = piece.model_version or self._version
        for alternative in piece.alternatives:
            yield from self._deltas(alternative.message)
            self._status = alternative.status
        usage = _usage(piece.usage)
        if usage.total_tokens and usage != self._usage:
            self._usage = usage
            yield v1.CompletionEvent(usage=usage)

    def end(self) -> Iterator[v1.CompletionEvent]:
        """The end of the choice. Raises IncompleteAnswerError without one."""
        if not self.ended:
            raise IncompleteAnswerError
        known = self._status in y.Alternative.AlternativeStatus.values()
        finished = v1.ChoiceFinished(
            finish_reason=self._finish_reason(),
            provider_finish_reason=y.Alternative.AlternativeStatus.Name(self._status) if known else str(self._status),
            system_fingerprint=self._version[:128],
        )
        yield v1.CompletionEvent(choice_finished=finished)

    def _deltas(self, message: y.Message) -> Iterator[v1.CompletionEvent]:
        if message.HasField("tool_call_list"):
            for index, call in enumerate(message.tool_call_list.tool_calls):
                yield v1.CompletionEvent(delta=v1.Delta(tool_call=_call(index, call)))
        elif not message.text.startswith(self._text):
            raise malformed_answer("took back text that it had sent")
        elif more := message.text[len(self._text) :]:
            self._text = message.text
            yield v1.CompletionEvent(delta=v1.Delta(text=more))

    def _finish_reason(self) -> v1.FinishReason.ValueType:
        reason = _FINISH.get(self._status, v1.FINISH_REASON_OTHER)
        if reason == v1.FINISH_REASON_MAX_OUTPUT_TOKENS and 0 < self._usage.output_tokens < self._max_tokens:
            return v1.FINISH_REASON_CONTEXT_LENGTH  # fewer tokens than allowed, so another limit ended it
        return reason


def decode_tokens(response: y.TokenizeResponse) -> v1.TokenizeResponse:
    """The tokens of a text or of a prompt."""
    tokens = (v1.Token(id=token.id, text=token.text, special=token.special) for token in response.tokens)
    return v1.TokenizeResponse(tokens=tokens)


def _call(index: int, call: y.ToolCall) -> v1.ToolCallDelta:
    """A complete call. The engine gives it an id."""
    if not call.function_call.name:
        raise malformed_answer("called a tool without a name")
    arguments = json_of(call.function_call.arguments)
    return v1.ToolCallDelta(index=index, name=call.function_call.name, arguments_json=arguments)


def _usage(usage: y.ContentUsage) -> v1.Usage:
    counts = (usage.input_text_tokens, usage.completion_tokens, usage.completion_tokens_details.reasoning_tokens)
    prompt, output, reasoning = map(token_count, counts)
    return v1.Usage(input_tokens=prompt, output_tokens=output, total_tokens=prompt + output, reasoning_tokens=reasoning)
