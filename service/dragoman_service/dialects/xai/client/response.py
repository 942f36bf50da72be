"""Decodes answers: chunks, or complete ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dragoman import v1
from dragoman.dialect.xai import v1 as x

from dragoman_service.dialects.bodies import token_count
from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.errors import malformed_answer

Piece = x.GetChatCompletionChunk | x.GetChatCompletionResponse
_FINISH = {
    x.REASON_STOP: v1.FINISH_REASON_STOP,
    x.REASON_MAX_LEN: v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    x.REASON_MAX_CONTEXT: v1.FINISH_REASON_CONTEXT_LENGTH,
    x.REASON_TOOL_CALLS: v1.FINISH_REASON_TOOL_CALLS,
}
_MOST_STATE = 8 * 1024 * 1024  # characters


@dataclass(slots=True)
class _Choice:
    """What of a choice is known only at its end."""

    calls: int = 0
    state: str = ""
    reason: int = x.REASON_INVALID


class AnswerDecoder:
    """The `EventDecoder` of this dialect. State is given `mark`."""

    over = False
    """The end of the gRPC stream says that nothing more follows; no piece does."""

    def __init__(self, choices: int, mark: bytes) -> None:
        self._choices = [_Choice() for _ in range(choices or 1)]
        self._mark = mark
        self._usage = v1.Usage()
        self._fingerprint = ""

    @property
    def ended(self) -> bool:
        """Every choice has its finish reason."""
        return all(choice.reason for choice in self._choices)

    def feed(self, piece: Piece) -> Iterator[v1.CompletionEvent]:
        """The events of one piece. Raises PROVIDER_MALFORMED."""
        self._fingerprint = piece.system_fingerprint[:128] or self._fingerprint
        for output in piece.outputs:
            said = output.message if isinstance(output, x.CompletionOutput) else output.delta
            if said.role not in (x.ROLE_ASSISTANT, x.INVALID_ROLE):
                continue  # what a hosted tool found
            if not 0 <= output.index < len(self._choices):
                raise malformed_answer("sent an answer that was not requested")
            choice = self._choices[output.index]
            yield from _deltas(said, choice, output.index, output.logprobs.content)
            choice.reason = output.finish_reason or choice.reason
        usage = _usage(piece.usage)
        if usage.total_tokens and usage != self._usage:
            self._usage = usage
            yield v1.CompletionEvent(usage=usage)

    def end(self) -> Iterator[v1.CompletionEvent]:
        """The states and the ends of the choices. Raises IncompleteAnswerError without them."""
        if not self.ended:
            raise IncompleteAnswerError
        for index, choice in enumerate(self._choices):
            if choice.state:
                state = self._mark + choice.state.encode()
                yield v1.CompletionEvent(delta=v1.Delta(choice_index=index, reasoning="", state=state))
            known = choice.reason in x.FinishReason.values()
            reason = _FINISH.get(choice.reason, v1.FINISH_REASON_OTHER)  # type: ignore[call-overload]
            if reason == v1.FINISH_REASON_STOP and choice.calls:
                reason = v1.FINISH_REASON_TOOL_CALLS
            finished = v1.ChoiceFinished(
                choice_index=index,
                finish_reason=reason,
                provider_finish_reason=x.FinishReason.Name(choice.reason) if known else str(choice.reason),  # type: ignore[arg-type]
                system_fingerprint=self._fingerprint,
            )
            yield v1.CompletionEvent(choice_finished=finished)


def _deltas(
    said: x.Delta | x.CompletionMessage, choice: _Choice, index: int, logprobs: Iterable[x.LogProb]
) -> Iterator[v1.CompletionEvent]:
    deltas = []
    if said.reasoning_content:
        deltas.append(v1.Delta(choice_index=index, reasoning=said.reasoning_content))
    tokens = [_token(token) for token in logprobs]
    if said.content or tokens:
        text = v1.Delta(choice_index=index, logprobs=tokens)
        if said.content:
            text.text = said.content
        deltas.append(text)
    for call in said.tool_calls:
        if call.type in (x.TOOL_CALL_TYPE_INVALID, x.TOOL_CALL_TYPE_CLIENT_SIDE_TOOL):
            deltas.append(v1.Delta(choice_index=index, tool_call=_call(call, choice.calls)))
            choice.calls += 1
    choice.state += said.encrypted_content
    if len(choice.state) > _MOST_STATE:
        raise malformed_answer("sent more state than anyone could return")
    yield from (v1.CompletionEvent(delta=delta) for delta in deltas)


def _call(call: x.ToolCall, index: int) -> v1.ToolCallDelta:
    """A complete call. The engine gives it an id if it has none."""
    if not call.function.name:
        raise malformed_answer("called a tool without a name")
    arguments = call.function.arguments or "{}"
    return v1.ToolCallDelta(index=index, id=call.id, name=call.function.name, arguments_json=arguments)


def _token(token: x.LogProb) -> v1.TokenLogprob:
    tops = (v1.TopLogprob(token=top.token, logprob=min(top.logprob, 0), bytes=top.bytes) for top in token.top_logprobs)
    return v1.TokenLogprob(token=token.token, logprob=min(token.logprob, 0), bytes=token.bytes, top_logprobs=tops)


def _usage(usage: x.SamplingUsage) -> v1.Usage:
    """Token counts. Thoughts are apart from the answer, as the vendor counts, unless the total has them in it."""
    counts = (usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens, usage.cached_prompt_text_tokens)
    prompt, said, thoughts, cached = map(token_count, counts)
    within = thoughts <= said and usage.total_tokens == prompt + said
    output = said if within else said + thoughts
    return v1.Usage(
        input_tokens=prompt,
        output_tokens=output,
        total_tokens=prompt + output,
        cached_input_tokens=cached,
        reasoning_tokens=thoughts,
    )


def decode_tokens(response: x.TokenizeTextResponse) -> v1.TokenizeResponse:
    """The tokens of a text."""
    tokens = (v1.Token(id=token.token_id, text=token.string_token) for token in response.tokens)
    return v1.TokenizeResponse(tokens=tokens)
