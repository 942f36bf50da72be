"""Encodes streamed answers as chunks.

Clients replace all but the text by what the newest chunk says, so that each chunk repeats who answers, since when and
the role of the answer, and only the last has the finish reasons. Calls must be complete, and come with them.
"""

from __future__ import annotations

from collections.abc import Iterable

from dragoman import v1
from dragoman.dialect.xai import v1 as x
from google.protobuf.timestamp_pb2 import Timestamp

from dragoman_service.dialects.xai.server.response import (
    answer_id,
    check_shown,
    encode_calls,
    encode_logprobs,
    encode_usage,
    finish_of,
    sources,
)
from dragoman_service.dialects.xai.server.states import encode_states
from dragoman_service.errors import CompletionError, broken_answer, restarted_answer


class ChunkEncoder:
    """The `EventEncoder` of this dialect."""

    def __init__(self) -> None:
        self._id = self._model = ""
        self._created = Timestamp()
        self._usage = x.SamplingUsage()
        self._sent = False
        self._completion: v1.Completion | None = None

    def feed(self, event: v1.CompletionEvent) -> Iterable[x.GetChatCompletionChunk]:
        """Raises WORKER_LOST if the answer was retracted after a part of it was sent."""
        match event.WhichOneof("event"):
            case "started":
                self._id, self._model = answer_id(event.started.completion), event.started.served_model
                self._created.GetCurrentTime()
            case "delta":
                return self._delta(event.delta)
            case "usage":
                self._usage = encode_usage(event.usage)
            case "retracted" if self._sent:
                raise restarted_answer()
            case "finished" if event.finished.HasField("completion"):
                self._completion = event.finished.completion
        return ()

    def end(self) -> Iterable[x.GetChatCompletionChunk]:
        if self._completion is None:
            raise broken_answer()
        check_shown(self._completion)
        self._usage = encode_usage(self._completion.usage)
        last = self._chunk(map(_last, self._completion.choices))
        last.system_fingerprint = self._completion.system_fingerprint
        last.citations.extend(sources(self._completion))
        return (last,)

    def fail(self, error: CompletionError, call_id: str) -> Iterable[x.GetChatCompletionChunk]:
        return ()  # the status of the call carries it

    def _delta(self, delta: v1.Delta) -> Iterable[x.GetChatCompletionChunk]:
        text = delta.text or delta.refusal
        if not (text or delta.reasoning or delta.logprobs):
            return ()  # calls and states come at the end
        self._sent = True
        added = x.Delta(role=x.ROLE_ASSISTANT, content=text, reasoning_content=delta.reasoning)
        output = x.CompletionOutputChunk(delta=added, index=delta.choice_index)
        if delta.logprobs:
            output.logprobs.CopyFrom(encode_logprobs(delta.logprobs))
        return (self._chunk((output,)),)

    def _chunk(self, outputs: Iterable[x.CompletionOutputChunk]) -> x.GetChatCompletionChunk:
        return x.GetChatCompletionChunk(
            id=self._id, outputs=outputs, created=self._created, model=self._model, usage=self._usage
        )


def _last(choice: v1.Choice) -> x.CompletionOutputChunk:
    """The end of a choice, with what was not sent before."""
    parts = choice.message.parts
    added = x.Delta(role=x.ROLE_ASSISTANT, tool_calls=encode_calls(parts), encrypted_content=encode_states(parts))
    return x.CompletionOutputChunk(delta=added, finish_reason=finish_of(choice), index=choice.index)
