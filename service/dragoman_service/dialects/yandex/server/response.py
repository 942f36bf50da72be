"""Encodes answers: a stream is a sequence of pieces that each hold the complete text so far."""

from __future__ import annotations

from collections.abc import Iterable

from dragoman import v1
from dragoman.dialect.yandex import v1 as y

from dragoman_service.dialects.yandex.tools import encode_tool_calls
from dragoman_service.errors import CompletionError, broken_answer

_TEXTS = ("text", "refusal")  # a refusal is text to this dialect; reasoning is hidden by it
_STATUS = {
    v1.FINISH_REASON_MAX_OUTPUT_TOKENS: y.Alternative.ALTERNATIVE_STATUS_TRUNCATED_FINAL,
    v1.FINISH_REASON_CONTEXT_LENGTH: y.Alternative.ALTERNATIVE_STATUS_TRUNCATED_FINAL,
    v1.FINISH_REASON_CONTENT_FILTER: y.Alternative.ALTERNATIVE_STATUS_CONTENT_FILTER,
    v1.FINISH_REASON_RECITATION: y.Alternative.ALTERNATIVE_STATUS_CONTENT_FILTER,
    v1.FINISH_REASON_TOOL_CALLS: y.Alternative.ALTERNATIVE_STATUS_TOOL_CALLS,
}


class MessageEncoder:
    """Encodes the events of a completion of one choice. Raises PROVIDER_MALFORMED as `encode_completion` does."""

    def __init__(self) -> None:
        self._text = ""
        self._usage = _usage(v1.Usage())
        self._version = ""
        self._completion: v1.Completion | None = None

    def feed(self, event: v1.CompletionEvent) -> Iterable[y.CompletionResponse]:
        match event.WhichOneof("event"):
            case "started":
                self._version = event.started.served_model
            case "delta" if event.delta.WhichOneof("content") in _TEXTS:
                self._text += event.delta.text or event.delta.refusal
                return (self._piece(),)
            case "usage":
                self._usage = _usage(event.usage)
            case "retracted" if self._text:  # the rerun may answer with calls alone, which would leave the old text
                self._text = ""
                return (self._piece(),)
            case "finished" if event.finished.HasField("completion"):
                self._completion = event.finished.completion
        return ()

    def end(self) -> Iterable[y.CompletionResponse]:
        if self._completion is None:
            raise broken_answer()
        return (encode_completion(self._completion),)

    def fail(self, error: CompletionError, call_id: str) -> Iterable[y.CompletionResponse]:
        return ()  # the status of the call carries it

    def _piece(self) -> y.CompletionResponse:
        message = y.Message(role="assistant", text=self._text)
        partial = y.Alternative(message=message, status=y.Alternative.ALTERNATIVE_STATUS_PARTIAL)
        return y.CompletionResponse(alternatives=[partial], usage=self._usage, model_version=self._version)


def encode_completion(completion: v1.Completion) -> y.CompletionResponse:
    """A complete answer. Raises PROVIDER_MALFORMED if the arguments of a tool call are not a JSON object."""
    return y.CompletionResponse(
        alternatives=map(_alternative, completion.choices),
        usage=_usage(completion.usage),
        model_version=completion.served_model,
    )


def encode_tokens(response: v1.TokenizeResponse, version: str) -> y.TokenizeResponse:
    """The tokens of a text or of a prompt. `version` is the version of the model."""
    tokens = (y.Token(id=token.id, text=token.text, special=token.special) for token in response.tokens)
    return y.TokenizeResponse(tokens=tokens, model_version=version)


def _alternative(choice: v1.Choice) -> y.Alternative:
    message = y.Message(role="assistant")
    calls = [part.tool_call for part in choice.message.parts if part.HasField("tool_call")]
    if calls:
        message.tool_call_list.CopyFrom(encode_tool_calls(calls))
    else:
        message.text = "".join(part.text or part.refusal for part in choice.message.parts)
    status = _STATUS.get(choice.finish_reason, y.Alternative.ALTERNATIVE_STATUS_FINAL)
    return y.Alternative(message=message, status=status)


def _usage(usage: v1.Usage) -> y.ContentUsage:
    return y.ContentUsage(
        input_text_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        completion_tokens_details=y.ContentUsage.CompletionTokensDetails(reasoning_tokens=usage.reasoning_tokens),
    )
