"""Encodes complete answers, and what streamed ones have in common with them."""

from __future__ import annotations

from collections.abc import Iterable

from dragoman import v1
from dragoman.dialect.xai import v1 as x
from google.rpc import code_pb2

from dragoman_service.dialects.xai.server.states import encode_states
from dragoman_service.errors import CompletionError

FINISH = {
    v1.FINISH_REASON_STOP: x.REASON_STOP,
    v1.FINISH_REASON_STOP_SEQUENCE: x.REASON_STOP,
    v1.FINISH_REASON_REFUSAL: x.REASON_STOP,
    v1.FINISH_REASON_MAX_OUTPUT_TOKENS: x.REASON_MAX_LEN,
    v1.FINISH_REASON_CONTEXT_LENGTH: x.REASON_MAX_CONTEXT,
    v1.FINISH_REASON_TOOL_CALLS: x.REASON_TOOL_CALLS,
}
"""Anything else ended the answer early, which this API can say only as a limit of time."""
_WITHHELD = (v1.FINISH_REASON_CONTENT_FILTER, v1.FINISH_REASON_RECITATION)
_MOST_TOKENS = 2**31 - 1


def encode_completion(completion: v1.Completion) -> x.GetChatCompletionResponse:
    """A complete answer. Raises PROVIDER_REJECTED if it was withheld: this API has no finish reason for that."""
    check_shown(completion)
    encoded = x.GetChatCompletionResponse(
        id=answer_id(completion.name),
        outputs=map(_output, completion.choices),
        model=completion.served_model,
        system_fingerprint=completion.system_fingerprint,
        usage=encode_usage(completion.usage),
        citations=sources(completion),
    )
    if completion.HasField("create_time"):
        encoded.created.CopyFrom(completion.create_time)
    return encoded


def check_shown(completion: v1.Completion) -> None:
    """Raises PROVIDER_REJECTED as a refusal of permission, as the vendor does, if any choice was withheld."""
    withheld = next((choice for choice in completion.choices if choice.finish_reason in _WITHHELD), None)
    if withheld is None:
        return
    what = "prompt" if completion.prompt_safety.blocked else "answer"
    found = completion.prompt_safety if completion.prompt_safety.blocked else withheld.safety
    message = found.message or f"The {what} was blocked because of its content. Change the prompt."
    raise CompletionError(code_pb2.PERMISSION_DENIED, v1.ERROR_REASON_PROVIDER_REJECTED, message)


def answer_id(name: str) -> str:
    """The id of the completion of that name."""
    return name.rpartition("/")[2]


def finish_of(choice: v1.Choice) -> x.FinishReason.ValueType:
    """Why a choice ended."""
    return FINISH.get(choice.finish_reason, x.REASON_TIME_LIMIT)


def sources(completion: v1.Completion) -> list[str]:
    """The addresses that the choices quote, each once."""
    found = (citation.uri for choice in completion.choices for citation in choice.citations if citation.uri)
    return list(dict.fromkeys(found))


def encode_calls(parts: Iterable[v1.Part]) -> list[x.ToolCall]:
    """Complete calls, whose arguments clients parse: never empty."""
    return [
        x.ToolCall(
            id=part.tool_call.id,
            type=x.TOOL_CALL_TYPE_CLIENT_SIDE_TOOL,
            function=x.FunctionCall(name=part.tool_call.name, arguments=part.tool_call.arguments_json or "{}"),
        )
        for part in parts
        if part.HasField("tool_call")
    ]


def encode_logprobs(tokens: Iterable[v1.TokenLogprob]) -> x.LogProbs:
    """How likely the tokens were."""
    return x.LogProbs(
        content=[
            x.LogProb(
                token=token.token,
                logprob=token.logprob,
                bytes=token.bytes,
                top_logprobs=[
                    x.TopLogProb(token=top.token, logprob=top.logprob, bytes=top.bytes) for top in token.top_logprobs
                ],
            )
            for token in tokens
        ]
    )


def encode_usage(usage: v1.Usage) -> x.SamplingUsage:
    """Token counts. Those of the answer are without those of the thoughts."""
    prompt, output, thoughts = (
        min(count, _MOST_TOKENS // 2) for count in (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens)
    )
    return x.SamplingUsage(
        completion_tokens=max(output - thoughts, 0),
        prompt_tokens=prompt,
        total_tokens=prompt + output,
        prompt_text_tokens=prompt,
        reasoning_tokens=thoughts,
        cached_prompt_text_tokens=min(usage.cached_input_tokens, prompt),
    )


def _output(choice: v1.Choice) -> x.CompletionOutput:
    parts = choice.message.parts
    message = x.CompletionMessage(
        role=x.ROLE_ASSISTANT,
        content="".join(part.text or part.refusal for part in parts),
        reasoning_content="".join(part.reasoning.text for part in parts),
        tool_calls=encode_calls(parts),
        encrypted_content=encode_states(parts),
    )
    output = x.CompletionOutput(finish_reason=finish_of(choice), index=choice.index, message=message)
    if choice.logprobs:
        output.logprobs.CopyFrom(encode_logprobs(choice.logprobs))
    return output
