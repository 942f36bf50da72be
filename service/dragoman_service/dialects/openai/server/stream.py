"""Encodes the events of a streamed answer as chunks, each a server-sent event.

Chunks are formatted by hand because this runs for every token. `finish_reason` is null until a choice ends, as OpenAI
sends it: programs that parse the JSON themselves look for that key in every chunk.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from dragoman import v1

from dragoman_service.dialects.openai.filter_results import CHOICE, PROMPT, encode_prompt_results, encode_results
from dragoman_service.dialects.openai.server.errors import encode_terminal_error
from dragoman_service.dialects.openai.server.logprobs import chat_logprobs, legacy_logprobs
from dragoman_service.dialects.openai.server.response import (
    FUNCTION_CALL,
    MESSAGE,
    answer_id,
    encode_end,
    encode_extensions,
    encode_usage,
)
from dragoman_service.errors import CompletionError, broken_answer, restarted_answer

DONE = b"data: [DONE]\n\n"


class ChatEventEncoder:
    """The chunks of a chat completion. With `include_usage` the last one holds the usage. With `functions` there is the
    deprecated `function_call` in place of `tool_calls`."""

    kind, prefix = "chat.completion.chunk", "chatcmpl"
    template = b'%b{"index":%d,"delta":%b,"logprobs":%b,%b}]%b%b'
    no_content = b'{"content":""}'

    def __init__(self, *, include_usage: bool = False, functions: bool = False) -> None:
        self._include_usage = include_usage
        self._functions = functions
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._head = b""
        self._created = 0
        self._opened: set[int] = set()
        self._completion: v1.Completion | None = None
        self._prompt = b""

    def feed(self, event: v1.CompletionEvent) -> Iterable[bytes]:
        """Raises WORKER_LOST if the answer was retracted after a part of it was sent."""
        match event.WhichOneof("event"):
            case "delta":
                if self._functions and event.delta.HasField("tool_call"):
                    return self._function_call(event.delta)
                return (self._open(event.delta.choice_index) + self._delta(event.delta),)
            case "choice_finished":
                return (self._open(event.choice_finished.choice_index) + self._end(event.choice_finished),)
            case "safety" if event.safety.assessment.ratings:
                return self._findings(event.safety)
            case "started":
                self._start(event)
            case "retracted":
                self._retract()
            case "finished" if event.finished.HasField("completion"):
                self._completion = event.finished.completion
        return ()

    def end(self) -> Iterable[bytes]:
        if self._completion is None:
            raise broken_answer()
        if not self._include_usage:
            return (DONE,)
        return (self._head + b'],"usage":' + orjson.dumps(encode_usage(self._completion.usage)) + b"}\n\n" + DONE,)

    def fail(self, error: CompletionError, call_id: str) -> Iterable[bytes]:
        return (encode_terminal_error(error, call_id),)

    def _start(self, event: v1.CompletionEvent) -> None:
        self._created = self._created or event.event_time.seconds
        head = {
            "id": answer_id(self.prefix, event.started.completion),
            "object": self.kind,
            "created": self._created,
            "model": event.started.served_model,
        }
        self._head = b"data: " + orjson.dumps(head)[:-1] + b',"choices":['

    def _retract(self) -> None:
        if self._opened:
            raise restarted_answer("Idempotency-Key")

    def _open(self, index: int) -> bytes:
        """The first chunk of a choice. Its content is empty, not absent, because programs print it unchecked."""
        if index in self._opened:
            return b""
        self._opened.add(index)
        return self._chunk(index, b'{"role":"assistant","content":"","refusal":null}')

    def _delta(self, delta: v1.Delta) -> bytes:
        logprobs = b"null"
        if delta.logprobs:
            logprobs = orjson.dumps(chat_logprobs(delta.logprobs, of_refusal=bool(delta.refusal)))
        return self._chunk(delta.choice_index, _content(delta), logprobs)

    def _findings(self, report: v1.SafetyReport) -> Iterable[bytes]:
        """A chunk with the findings about a choice.

        Those about the prompt wait for the end of a choice, because a chunk of their own would have none.
        """
        if not report.HasField("choice_index"):
            self._prompt += b',"%b":' % PROMPT.encode() + orjson.dumps(encode_prompt_results(report.assessment))
            return ()
        found = b'"finish_reason":null,"%b":' % CHOICE.encode() + orjson.dumps(encode_results(report.assessment))
        return (self._open(report.choice_index) + self._chunk(report.choice_index, self.no_content, end=found),)

    def _function_call(self, delta: v1.Delta) -> Iterable[bytes]:
        """The chunk for a piece of the first call; others are left out, as in a complete answer."""
        piece = delta.tool_call
        if piece.index:
            return ()
        call = {"name": piece.name} if piece.name else {}
        encoded = orjson.dumps({FUNCTION_CALL: {**call, "arguments": piece.arguments_json}})
        return (self._open(delta.choice_index) + self._chunk(delta.choice_index, encoded),)

    def _end(self, end: v1.ChoiceFinished) -> bytes:
        reason = encode_end(end)
        if self._functions and reason["finish_reason"] == "tool_calls":
            reason["finish_reason"] = FUNCTION_CALL
        encoded = orjson.dumps(reason)[1:-1]
        added, self._prompt = _fingerprint(end) + self._prompt, b""
        return self._chunk(end.choice_index, self._last_delta(end), b"null", encoded, added)

    def _last_delta(self, end: v1.ChoiceFinished) -> bytes:
        """No content, and the vendor's own keys of the message."""
        added = encode_extensions(end, MESSAGE) if end.extensions else {}
        return orjson.dumps({"content": "", **added}) if added else self.no_content

    def _chunk(
        self,
        index: int,
        delta: bytes,
        logprobs: bytes = b"null",
        end: bytes = b'"finish_reason":null',
        added: bytes = b"",
    ) -> bytes:
        return self.template % (self._head, index, delta, logprobs, end, added, self._tail)


class TextEventEncoder(ChatEventEncoder):
    """The chunks of a legacy text completion."""

    kind, prefix = "text_completion", "cmpl"
    template = b'%b{"index":%d,"text":%b,"logprobs":%b,%b}]%b%b'
    no_content = b'""'

    def __init__(self, *, include_usage: bool = False) -> None:
        super().__init__(include_usage=include_usage)
        self._lengths: dict[int, int] = {}

    def _open(self, index: int) -> bytes:
        self._opened.add(index)
        return b""

    def _last_delta(self, end: v1.ChoiceFinished) -> bytes:
        return self.no_content

    def _delta(self, delta: v1.Delta) -> bytes:
        text = delta.text or delta.refusal
        start = self._lengths.get(delta.choice_index, 0)
        self._lengths[delta.choice_index] = start + len(text)
        encoded = orjson.dumps(text)
        if delta.reasoning:  # OpenAI has no key for it in text completions; this is the one of chat completions
            encoded += b',"reasoning_content":' + orjson.dumps(delta.reasoning)
        return self._chunk(delta.choice_index, encoded, orjson.dumps(legacy_logprobs(delta.logprobs, start)))


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
    call = {"index": piece.index, "id": piece.id, "type": "function", "function": named}
    return orjson.dumps({**call, **encode_extensions(piece)})


def _fingerprint(end: v1.ChoiceFinished) -> bytes:
    return b',"system_fingerprint":' + orjson.dumps(end.system_fingerprint) if end.system_fingerprint else b""
