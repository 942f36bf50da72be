"""Encodes complete answers, and what complete and streamed answers have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dragoman import v1

from dragoman_service.dialects.anthropic.calls import arguments_in, inexpressible
from dragoman_service.dialects.anthropic.reasons import REFUSAL, stop_reason
from dragoman_service.dialects.anthropic.server.request import MessagesRequest
from dragoman_service.dialects.anthropic.states import AFTER, BEFORE, redacted
from dragoman_service.dialects.anthropic.usage import encode_usage
from dragoman_service.dialects.media import encode_base64

Wire = dict[str, Any]
CUT = (v1.FINISH_REASON_MAX_OUTPUT_TOKENS, v1.FINISH_REASON_CONTEXT_LENGTH)
"""Reasons that may end an answer in the middle of a tool call."""


def encode_completion(completion: v1.Completion, decoded: MessagesRequest) -> Wire:
    """A complete answer. Raises PROVIDER_MALFORMED if a call has arguments that are no object."""
    choice = completion.choices[0]
    answer = head(completion.served_model, completion.name)
    answer["content"] = list(_content(choice, decoded))
    return answer | encode_end(completion) | {"usage": encode_usage(completion.usage)}


def head(model: str, name: str) -> Wire:
    """What an answer says about itself before its content, with an id made of the completion's name."""
    return {"id": f"msg_{name.rpartition('/')[2]}", "type": "message", "role": "assistant", "model": model}


def encode_end(completion: v1.Completion) -> Wire:
    """Why the answer stopped."""
    choice = completion.choices[0]
    reason, stop = stop_reason(choice), choice.matched_stop_sequence or None
    end: Wire = {"stop_reason": reason, "stop_sequence": stop}
    if reason == REFUSAL:
        why = choice.safety.message or completion.prompt_safety.message or None
        end["stop_details"] = {"type": "refusal", "category": None, "explanation": why}
    return end


def thinking_block(text: str, state: bytes, *, omitted: bool) -> Wire:
    """Thinking with its signature, which is there even if it is empty, because clients return it."""
    if state and not (text or omitted):
        return redacted(state)
    return {"type": "thinking", "thinking": text, "signature": encode_base64(state)}


def _content(choice: v1.Choice, decoded: MessagesRequest) -> Iterator[Wire]:
    hidden: list[bytes] = []
    prefix = decoded.prefix
    for number, part in enumerate(choice.message.parts):
        if part.HasField("reasoning"):
            text, state = part.reasoning.text, part.state
            if not decoded.thinking:
                hidden += [state] if state else []
            elif text or state:
                yield thinking_block(text, state, omitted=decoded.omitted)
            continue
        if part.HasField("tool_call"):
            arguments = arguments_in(part.tool_call.arguments_json)
            if arguments is None:
                if choice.finish_reason in CUT and number == len(choice.message.parts) - 1:
                    continue  # it broke off, as the stop reason says
                raise inexpressible(part.tool_call.name)
            yield {"type": "tool_use", "id": part.tool_call.id, "name": part.tool_call.name, "input": arguments}
        else:
            text = (part.text or part.refusal).removeprefix(prefix)
            prefix = ""
            if text or part.state:
                yield {"type": "text", "text": text}
        yield from after_part(part.state, hidden)
        hidden = []
    yield from (redacted(state) for state in hidden)


def after_part(state: bytes, hidden: list[bytes]) -> Iterator[Wire]:
    """The blocks after a part with that state, before which there was `hidden` thinking with states."""
    if state:
        yield redacted(state, AFTER)
    yield from (redacted(thought, BEFORE) for thought in hidden)
