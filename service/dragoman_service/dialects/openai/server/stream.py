"""Our events in this dialect: the chunks of a streamed answer, as server-sent events.

They are put together by hand, since this is done for every token. `finish_reason` is null until a choice ends, as
OpenAI has it: programs that read the JSON themselves look for that key in every chunk.
"""

from __future__ import annotations

import orjson
from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.dialects.openai.server.logprobs import chat_logprobs, legacy_logprobs
from dragoman_service.dialects.openai.server.response import answer_id, ending, usage
from dragoman_service.errors import CompletionError

DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"
"""Says nothing, and keeps proxies from taking a long prompt for a dead connection."""


class ChatChunks:
    """The chunks of one answer; feed it all events in order. With `include_usage` the last one tells the usage."""

    kind, prefix = "chat.completion.chunk", "chatcmpl"
    form = b'%b{"index":%d,"delta":%b,"logprobs":%b,%b}]%b%b'
    nothing = b'{"content":""}'

    def __init__(self, *, include_usage: bool = False) -> None:
        self._include_usage = include_usage
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._head = b""
        self._created = 0
        self._spoke: set[int] = set()

    def encode(self, event: v1.CompletionEvent) -> bytes:
        """What is to be written for an event, empty if nothing is. Raises WORKER_LOST where what was written holds no
        more."""
        match event.WhichOneof("event"):
            case "delta":
                return self._role(event.delta.choice_index) + self._delta(event.delta)
            case "choice_finished":
                return self._role(event.choice_finished.choice_index) + self._end(event.choice_finished)
            case "started":
                self._start(event)
            case "retracted":
                self._retract()
            case "finished" if event.finished.HasField("completion"):
                return self._last(event.finished.completion)
        return b""

    def _start(self, event: v1.CompletionEvent) -> None:
        self._created = self._created or event.event_time.seconds
        said = {
            "id": answer_id(self.prefix, event.started.completion),
            "object": self.kind,
            "created": self._created,
            "model": event.started.served_model,
        }
        self._head = b"data: " + orjson.dumps(said)[:-1] + b',"choices":['

    def _retract(self) -> None:
        if self._spoke:
            raise CompletionError(
                code_pb2.ABORTED,
                v1.ERROR_REASON_WORKER_LOST,
                "The answer began anew, with other words. Send the request again, with the same Idempotency-Key.",
                retryable=True,
            )

    def _role(self, index: int) -> bytes:
        """The first chunk of a choice. Its content is empty, not absent: programs print it as it is."""
        if index in self._spoke:
            return b""
        self._spoke.add(index)
        return self._chunk(index, b'{"role":"assistant","content":"","refusal":null}')

    def _delta(self, delta: v1.Delta) -> bytes:
        logprobs = b"null"
        if delta.logprobs:
            logprobs = orjson.dumps(chat_logprobs(delta.logprobs, of_refusal=bool(delta.refusal)))
        return self._chunk(delta.choice_index, _content(delta), logprobs)

    def _end(self, end: v1.ChoiceFinished) -> bytes:
        said = orjson.dumps(ending(end))[1:-1]
        return self._chunk(end.choice_index, self.nothing, b"null", said, _fingerprint(end))

    def _last(self, completion: v1.Completion) -> bytes:
        if not self._include_usage:
            return DONE
        return self._head + b'],"usage":' + orjson.dumps(usage(completion.usage)) + b"}\n\n" + DONE

    def _chunk(
        self,
        index: int,
        delta: bytes,
        logprobs: bytes = b"null",
        end: bytes = b'"finish_reason":null',
        fingerprint: bytes = b"",
    ) -> bytes:
        return self.form % (self._head, index, delta, logprobs, end, fingerprint, self._tail)


class CompletionChunks(ChatChunks):
    """The chunks of a legacy completion."""

    kind, prefix = "text_completion", "cmpl"
    form = b'%b{"index":%d,"text":%b,"logprobs":%b,%b}]%b%b'
    nothing = b'""'

    def __init__(self, *, include_usage: bool = False) -> None:
        super().__init__(include_usage=include_usage)
        self._lengths: dict[int, int] = {}

    def _role(self, index: int) -> bytes:
        self._spoke.add(index)
        return b""

    def _delta(self, delta: v1.Delta) -> bytes:
        text = delta.text or delta.refusal
        start = self._lengths.get(delta.choice_index, 0)
        self._lengths[delta.choice_index] = start + len(text)
        said = orjson.dumps(text)
        if delta.reasoning:  # there is no key for it in this form, and no other place either
            said += b',"reasoning_content":' + orjson.dumps(delta.reasoning)
        return self._chunk(delta.choice_index, said, orjson.dumps(legacy_logprobs(delta.logprobs, start)))


def _content(delta: v1.Delta) -> bytes:
    match delta.WhichOneof("content"):
        case "text":
            return b'{"content":%b}' % orjson.dumps(delta.text)
        case "reasoning":
            return b'{"reasoning_content":%b}' % orjson.dumps(delta.reasoning)
        case "refusal":
            return b'{"refusal":%b}' % orjson.dumps(delta.refusal)
        case "tool_call":
            return b'{"tool_calls":[%b]}' % _call(delta.tool_call)
    return b"{}"


def _call(piece: v1.ToolCallDelta) -> bytes:
    """The first piece of a call carries its id and name."""
    function: dict[str, str] = {"arguments": piece.arguments_json}
    if not piece.name:
        return orjson.dumps({"index": piece.index, "function": function})
    named = {"name": piece.name, **function}
    return orjson.dumps({"index": piece.index, "id": piece.id, "type": "function", "function": named})


def _fingerprint(end: v1.ChoiceFinished) -> bytes:
    return b',"system_fingerprint":' + orjson.dumps(end.system_fingerprint) if end.system_fingerprint else b""
