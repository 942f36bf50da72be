"""Encodes responses: complete, under way, failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.dialects.openai.responses.ids import response_id
from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.dialects.openai.responses.writing.output import OutputItems
from dragoman_service.dialects.openai.responses.writing.parameters import encode_parameters
from dragoman_service.dialects.openai.server.response import MESSAGE, own_usage
from dragoman_service.errors import CompletionError

Wire = dict[str, Any]
_CUT = {
    v1.FINISH_REASON_MAX_OUTPUT_TOKENS: "max_output_tokens",
    v1.FINISH_REASON_CONTEXT_LENGTH: "max_output_tokens",
    v1.FINISH_REASON_CONTENT_FILTER: "content_filter",
    v1.FINISH_REASON_RECITATION: "content_filter",
}
"""Finish reasons of answers that are not complete, and this API's words for them."""


def encode_response(completion: v1.Completion, decoded: ResponsesRequest, output: list[Wire] | None = None) -> Wire:
    """The response that a completion is. `output` are its items, if they were built already."""
    name = response_id(completion.name)
    choice = completion.choices[0] if completion.choices else v1.Choice()
    if output is None:
        output = encode_output(choice, name, decoded)
    cut = _CUT.get(choice.finish_reason)
    return head(name, completion.served_model, completion.create_time.seconds, decoded) | {
        "status": "incomplete" if cut else "completed",
        "completed_at": completion.finish_time.seconds,
        "incomplete_details": {"reason": cut} if cut else None,
        "output": output,
        "usage": encode_usage(completion.usage),
    }


def head(name: str, model: str, created: int, decoded: ResponsesRequest) -> Wire:
    """A response that is in progress and has no items so far."""
    return {
        "id": name,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "model": model,
        "output": [],
        "error": None,
        "incomplete_details": None,
        "usage": None,
        **encode_parameters(decoded),
    }


def encode_output(choice: v1.Choice, name: str, decoded: ResponsesRequest) -> list[Wire]:
    """The items of a choice, as a stream would have built them."""
    items = OutputItems(name, summarize=is_summary(decoded))
    logprobs, call = list(choice.logprobs), 0
    for part in choice.message.parts:
        delta = v1.Delta(state=part.state)
        match part.WhichOneof("content"):
            case "text":
                delta.text = part.text
                delta.logprobs.extend(logprobs)
                logprobs = []
            case "refusal":
                delta.refusal = part.refusal
            case "reasoning":
                delta.reasoning = part.reasoning.text
            case "tool_call":
                one = part.tool_call
                values = {"id": one.id, "name": one.name, "arguments_json": one.arguments_json}
                delta.tool_call.CopyFrom(v1.ToolCallDelta(index=call, extensions=one.extensions, **values))
                call += 1
        for _ in items.feed(delta):
            pass
    items.cite(choice.citations)
    for _ in items.finish(keys_of(choice.message.extensions), status_of_last(choice.finish_reason)):
        pass
    return items.done


def is_summary(decoded: ResponsesRequest) -> bool:
    """Whether reasoning is shown as a summary: its caller has asked for one."""
    return decoded.request.generation_config.reasoning.visibility == v1.REASONING_VISIBILITY_VISIBLE


def keys_of(extensions: Mapping[str, str]) -> dict[str, str]:
    """The keys of a vendor that belong to a message."""
    return {key: value for key, value in extensions.items() if key not in MESSAGE}


def status_of_last(reason: v1.FinishReason.ValueType) -> str:
    """The status of an answer's last item."""
    return "incomplete" if reason in _CUT else "completed"


def encode_usage(usage: v1.Usage) -> Wire:
    """The token counts, and keys of ours."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
        **own_usage(usage),
    }


def encode_failure(error: CompletionError) -> Wire:
    """The status of a response that failed, and why. The vendor has three words for that; `reason` is ours."""
    cancelled = error.code == code_pb2.CANCELLED
    return {"status": "cancelled" if cancelled else "failed", "error": None if cancelled else _why(error)}


def _why(error: CompletionError) -> Wire:
    code = "server_error"
    if error.code == code_pb2.RESOURCE_EXHAUSTED:
        code = "rate_limit_exceeded"
    elif error.code == code_pb2.INVALID_ARGUMENT:
        code = "invalid_prompt"
    return {"code": code, "message": error.message, "reason": error.reason_name}
