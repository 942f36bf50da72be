"""What we answer, as a Yandex program reads it: pieces that each hold the whole text so far."""

from __future__ import annotations

from dragoman import v1
from dragoman.dialect.yandex import v1 as y

from dragoman_service.dialects.yandex.tools import their_calls

_TEXTS = ("text", "refusal")  # a refusal is the model's words too; reasoning stays hidden
_STATUS = {
    v1.FINISH_REASON_MAX_OUTPUT_TOKENS: y.Alternative.ALTERNATIVE_STATUS_TRUNCATED_FINAL,
    v1.FINISH_REASON_CONTEXT_LENGTH: y.Alternative.ALTERNATIVE_STATUS_TRUNCATED_FINAL,
    v1.FINISH_REASON_CONTENT_FILTER: y.Alternative.ALTERNATIVE_STATUS_CONTENT_FILTER,
    v1.FINISH_REASON_TOOL_CALLS: y.Alternative.ALTERNATIVE_STATUS_TOOL_CALLS,
}


class Said:
    """Collects the events of one completion of one choice: `feed` it each, and send what comes of it."""

    def __init__(self) -> None:
        self._text = ""
        self._usage = _usage(v1.Usage())
        self._version = ""

    def feed(self, event: v1.CompletionEvent) -> y.CompletionResponse | None:
        """A piece where there is more text, the end at the end, else nothing. Raises PROVIDER_MALFORMED."""
        match event.WhichOneof("event"):
            case "started":
                self._version = event.started.served_model
            case "delta" if event.delta.WhichOneof("content") in _TEXTS:
                self._text += event.delta.text or event.delta.refusal
                return self._piece()
            case "usage":
                self._usage = _usage(event.usage)
            case "retracted":  # it runs anew, and says other words in place of these
                self._text = ""
            case "finished" if event.finished.HasField("completion"):
                return completion_response(event.finished.completion)
        return None

    def _piece(self) -> y.CompletionResponse:
        message = y.Message(role="assistant", text=self._text)
        said = y.Alternative(message=message, status=y.Alternative.ALTERNATIVE_STATUS_PARTIAL)
        return y.CompletionResponse(alternatives=[said], usage=self._usage, model_version=self._version)


def completion_response(completion: v1.Completion) -> y.CompletionResponse:
    """A whole answer. Raises PROVIDER_MALFORMED for tool calls whose arguments are no JSON object."""
    return y.CompletionResponse(
        alternatives=map(_alternative, completion.choices),
        usage=_usage(completion.usage),
        model_version=completion.served_model,
    )


def _alternative(choice: v1.Choice) -> y.Alternative:
    message = y.Message(role="assistant")
    calls = [part.tool_call for part in choice.message.parts if part.HasField("tool_call")]
    if calls:
        message.tool_call_list.CopyFrom(their_calls(calls))
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


def tokens(response: v1.TokenizeResponse, version: str) -> y.TokenizeResponse:
    """The tokens of a text or of a prompt."""
    found = (y.Token(id=token.id, text=token.text, special=token.special) for token in response.tokens)
    return y.TokenizeResponse(tokens=found, model_version=version)
