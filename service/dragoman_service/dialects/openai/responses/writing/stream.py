"""Encodes the events of a response. Their numbers say which of our events they came from, see `ids`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.openai.responses.errors import encode_error
from dragoman_service.dialects.openai.responses.ids import event_number, response_id
from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.dialects.openai.responses.writing.output import OutputItems
from dragoman_service.dialects.openai.responses.writing.response import (
    encode_failure,
    encode_response,
    head,
    is_summary,
    keys_of,
    status_of_last,
)
from dragoman_service.errors import CompletionError, broken_answer

Wire = dict[str, Any]
CREATED, QUEUED = 0, 1
"""The numbers of the events before the first of ours."""


class ResponseEncoder:
    """The `EventEncoder` of this dialect. Events up to number `after` are left out, because their reader has them."""

    def __init__(self, decoded: ResponsesRequest, after: int = -1) -> None:
        self._decoded, self._after = decoded, after
        self._sequence = self._step = 0
        self._head: Wire = {}
        self._items = OutputItems("", summarize=False)
        self._running = False
        self._completion: v1.Completion | None = None
        self.failed = False
        """The completion has ended in an error, which is to be told by `outcome` or `fail`."""

    def begin(self, name: str, model: str, created: int, *, queued: bool = False) -> Iterator[bytes]:
        """The first events, of a response whose operation is known before its events are."""
        name = response_id(name)
        self._head = head(name, model, created, self._decoded)
        self._items = OutputItems(name, summarize=is_summary(self._decoded))
        state = self._head | {"status": "queued"} if queued else self._head
        yield from self._send(CREATED, {"type": "response.created", "response": state})
        if queued:
            yield from self._send(QUEUED, {"type": "response.queued", "response": state})

    def feed(self, event: v1.CompletionEvent) -> Iterable[bytes]:
        """See `EventEncoder`."""
        self._sequence, self._step = event.sequence, 0
        match event.WhichOneof("event"):
            case "started":
                return self._start(event)
            case "delta" if not event.delta.choice_index:
                return self._tell(self._items.feed(event.delta))
            case "citations" if not event.citations.choice_index:
                self._items.cite(event.citations.citations)
            case "choice_finished" if not event.choice_finished.choice_index:
                end = event.choice_finished
                return self._tell(self._items.finish(keys_of(end.extensions), status_of_last(end.finish_reason)))
            case "retracted":
                return self._tell(self._items.retract())
            case "finished" if event.finished.HasField("completion"):
                self._completion = event.finished.completion
            case "finished":
                self.failed = True
        return ()

    def end(self) -> Iterable[bytes]:
        """See `EventEncoder`."""
        if self._completion is None:
            raise broken_answer()
        response = encode_response(self._completion, self._decoded, self._items.done)
        return [*self._tell([{"type": f"response.{response['status']}", "response": response}])]

    def outcome(self, error: CompletionError) -> Iterable[bytes]:
        """The last event of a response that has failed, or was cancelled."""
        if not self._head:
            return ()
        response = self._head | encode_failure(error) | {"output": self._items.done}
        return [*self._tell([{"type": "response.failed", "response": response}])]

    def fail(self, error: CompletionError, call_id: str) -> Iterable[bytes]:
        """See `EventEncoder`. Clients raise an exception for the last event alone, and only with its key `error`."""
        failure = orjson.loads(encode_error(error, call_id).body)["error"]
        told = {"type": "error", "code": failure["code"], "message": failure["message"], "param": failure["param"]}
        outcome = self.outcome(error) if self.failed else ()
        return [*outcome, *self._tell([{**told, "error": failure}])]

    def _start(self, event: v1.CompletionEvent) -> Iterator[bytes]:
        started = event.started
        if not self._head:
            created = event.event_time.seconds
            yield from self.begin(started.operation or started.completion, started.served_model, created)
        self._head["model"] = started.served_model
        if not self._running:
            self._running = True
            yield from self._tell([{"type": "response.in_progress", "response": self._head}])

    def _tell(self, events: Iterable[Wire]) -> Iterator[bytes]:
        for event in events:
            yield from self._send(event_number(self._sequence, self._step), event)
            self._step += 1

    def _send(self, number: int, event: Wire) -> Iterator[bytes]:
        if number > self._after:
            name: str = event["type"]
            data = orjson.dumps({**event, "sequence_number": number})
            yield b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
