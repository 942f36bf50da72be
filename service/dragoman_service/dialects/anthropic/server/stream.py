"""Encodes the events of a streamed answer: a start, blocks with their deltas, and an end with reason and usage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson
from dragoman import v1

from dragoman_service.dialects.anthropic.calls import arguments_in, inexpressible
from dragoman_service.dialects.anthropic.server.errors import error_tree
from dragoman_service.dialects.anthropic.server.request import MessagesRequest
from dragoman_service.dialects.anthropic.server.response import (
    CUT,
    Wire,
    after_part,
    encode_end,
    head,
    thinking_block,
)
from dragoman_service.dialects.anthropic.server.terms import in_vendor_terms
from dragoman_service.dialects.anthropic.states import redacted
from dragoman_service.dialects.anthropic.usage import encode_usage
from dragoman_service.dialects.media import encode_base64
from dragoman_service.errors import CompletionError, broken_answer, restarted_answer

_TEXT, _THINKING, _CALL = "text", "thinking", "tool_use"


def event_of(data: Wire) -> bytes:
    """A server-sent event. Clients read its name, and ignore it without one."""
    name: str = data["type"]
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


class _Block:
    """The open block. Only calls have a name, and only theirs is the text kept."""

    def __init__(self, kind: str, call: v1.ToolCallDelta) -> None:
        self.kind = kind
        self.call = call.index
        self.name = call.name
        self.arguments: list[str] = []
        self.state = b""


class StreamEncoder:
    """The `EventEncoder` of this dialect. It begins with the first text, so that what fails before has a status."""

    def __init__(self, decoded: MessagesRequest) -> None:
        self._decoded = decoded
        self._prefix = decoded.prefix
        self._head: Wire = {}
        self._usage = v1.Usage()
        self._begun = False
        self._count = 0  # of blocks so far
        self._block: _Block | None = None
        self._hidden: list[bytes] = []
        self._held = ""  # the start of the answer, as long as it repeats the prefix
        self._completion: v1.Completion | None = None

    def feed(self, event: v1.CompletionEvent) -> Iterable[bytes]:
        """Raises WORKER_LOST if the answer was retracted after a part of it was sent."""
        match event.WhichOneof("event"):
            case "started":
                self._head = head(event.started.served_model, event.started.completion)
            case "usage":
                self._usage = event.usage
            case "delta":
                return self._delta(event.delta)
            case "retracted":
                self._retract()
            case "finished" if event.finished.HasField("completion"):
                self._completion = event.finished.completion
        return ()

    def end(self) -> Iterable[bytes]:
        if self._completion is None:
            raise broken_answer()
        cut = self._completion.choices[0].finish_reason in CUT
        usage = encode_usage(self._completion.usage)
        pieces = [*self._begin(), *self._release(), *self._close(cut=cut)]
        pieces += (piece for state in self._hidden for piece in self._whole(redacted(state)))
        pieces.append(event_of({"type": "message_delta", "delta": encode_end(self._completion), "usage": usage}))
        return [*pieces, event_of({"type": "message_stop"})]

    def fail(self, error: CompletionError, call_id: str) -> Iterable[bytes]:
        return (event_of(error_tree(in_vendor_terms(error), call_id)),)

    def _begin(self) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            message = {**self._head, "content": [], "stop_reason": None, "stop_sequence": None}
            yield event_of({"type": "message_start", "message": message | {"usage": encode_usage(self._usage)}})

    def _delta(self, delta: v1.Delta) -> Iterable[bytes]:
        match delta.WhichOneof("content"):
            case "reasoning":
                return self._reasoning(delta.reasoning, delta.state)
            case "tool_call":
                return self._call(delta.tool_call, delta.state)
            case "text" | "refusal":
                return self._text(delta.text or delta.refusal, delta.state)
        return ()

    def _text(self, text: str, state: bytes) -> Iterable[bytes]:
        if self._prefix:
            text = self._after_prefix(text, ends=bool(state))
        if not (text or state):
            return ()
        pieces = self._open(_TEXT, v1.ToolCallDelta(), {"type": "text", "text": ""})
        if text:
            pieces.append(self._piece({"type": "text_delta", "text": text}))
        return pieces + (self._complete(state) if state else [])

    def _reasoning(self, text: str, state: bytes) -> Iterable[bytes]:
        if not self._decoded.thinking:
            self._hidden += [state] if state else []
            return ()
        if not (text or state):
            return ()
        opened = self._block is not None and self._block.kind == _THINKING
        block = thinking_block(text, b"" if text or opened else state, omitted=self._decoded.omitted)
        if block["type"] != _THINKING:
            return [*self._begin(), *self._close(), *self._whole(block)]
        pieces = self._open(_THINKING, v1.ToolCallDelta(), block | {"thinking": "", "signature": ""})
        if text:
            pieces.append(self._piece({"type": "thinking_delta", "thinking": text}))
        return pieces + (self._complete(state) if state else [])

    def _call(self, call: v1.ToolCallDelta, state: bytes) -> Iterable[bytes]:
        block: Wire = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        pieces = [*self._release(), *self._open(_CALL, call, block)]
        if self._block is not None:
            self._block.state = state or self._block.state
            self._block.arguments.append(call.arguments_json)
        if call.arguments_json:
            pieces.append(self._piece({"type": "input_json_delta", "partial_json": call.arguments_json}))
        return pieces

    def _open(self, kind: str, call: v1.ToolCallDelta, block: Wire) -> list[bytes]:
        """Goes on with the open block if it is of that kind, or opens one."""
        if self._block is not None and self._block.kind == kind and self._block.call == call.index:
            return []
        pieces = [*self._begin(), *self._close()]
        self._block = _Block(kind, call)
        start: Wire = {"type": "content_block_start", "index": self._count, "content_block": block}
        return [*pieces, event_of(start)]

    def _complete(self, state: bytes) -> list[bytes]:
        """Ends the open block, whose state has come."""
        if self._block is not None:
            self._block.state = state
        return list(self._close())

    def _close(self, *, cut: bool = False) -> Iterator[bytes]:
        """Raises PROVIDER_MALFORMED for a call whose arguments are no object, unless they were `cut`."""
        block, self._block = self._block, None
        if block is None:
            return
        if block.kind == _CALL and not cut and arguments_in("".join(block.arguments)) is None:
            raise inexpressible(block.name)
        if block.kind == _THINKING and block.state:
            yield self._piece({"type": "signature_delta", "signature": encode_base64(block.state)})
        yield event_of({"type": "content_block_stop", "index": self._count})
        self._count += 1
        if block.kind != _THINKING:
            hidden, self._hidden = self._hidden, []
            for after in after_part(block.state, hidden):
                yield from self._whole(after)

    def _whole(self, block: Wire) -> Iterator[bytes]:
        """A block that has no deltas."""
        yield event_of({"type": "content_block_start", "index": self._count, "content_block": block})
        yield event_of({"type": "content_block_stop", "index": self._count})
        self._count += 1

    def _piece(self, delta: Wire) -> bytes:
        return event_of({"type": "content_block_delta", "index": self._count, "delta": delta})

    def _after_prefix(self, text: str, *, ends: bool) -> str:
        """What of the answer so far is not the prefix; nothing as long as it may still be."""
        self._held += text
        if len(self._held) < len(self._prefix) and self._prefix.startswith(self._held) and not ends:
            return ""
        found, self._held = self._held.removeprefix(self._prefix), ""
        self._prefix = ""
        return found

    def _release(self) -> Iterable[bytes]:
        """The text that began like the prefix, but ended before it."""
        held, self._held, self._prefix = self._held, "", ""
        return self._text(held, b"") if held else ()

    def _retract(self) -> None:
        if self._begun:
            raise restarted_answer("Idempotency-Key")
        self._hidden, self._held, self._prefix = [], "", self._decoded.prefix
