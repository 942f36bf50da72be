"""Events of answers, and what becomes of them as responses."""

from __future__ import annotations

from typing import Any

import orjson
from dragoman import v1
from dragoman_service.dialects.openai.responses.dialect import ResponsesDialect
from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.dialects.openai.responses.writing.stream import ResponseEncoder

Events = list[v1.CompletionEvent]
STARTED = v1.CompletionEvent(started=v1.Started(completion="completions/1", served_model="m-1", provider="p"))
PLAIN, SUMMARIZED = ResponsesRequest(), ResponsesRequest()
SUMMARIZED.request.generation_config.reasoning.visibility = v1.REASONING_VISIBILITY_VISIBLE
STOP = v1.FINISH_REASON_STOP


def said(*deltas: v1.Delta) -> Events:
    return [v1.CompletionEvent(delta=delta) for delta in deltas]


def called(index: int, name: str, arguments: str, **more: Any) -> v1.Delta:
    return v1.Delta(
        tool_call=v1.ToolCallDelta(index=index, id=f"c{index}", name=name, arguments_json=arguments), **more
    )


def ended(reason: v1.FinishReason.ValueType = STOP, **more: Any) -> v1.CompletionEvent:
    return v1.CompletionEvent(choice_finished=v1.ChoiceFinished(finish_reason=reason, **more))


def numbered(events: Events) -> Events:
    copies = []
    for number, event in enumerate(events, 1):
        copies.append(v1.CompletionEvent())
        copies[-1].CopyFrom(event)
        copies[-1].sequence = number
    return copies


def read(pieces: Any) -> list[Any]:
    """The data of each event, whose name is the type in it."""
    found = []
    for event in b"".join(pieces).decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append(orjson.loads(data.removeprefix("data: ")))
        assert name.removeprefix("event: ") == found[-1]["type"]
    numbers = [event["sequence_number"] for event in found]
    assert numbers == sorted(set(numbers)), "numbers grow"
    return found


def streamed(events: Events, decoded: ResponsesRequest = PLAIN, after: int = -1) -> list[Any]:
    encoder = ResponseEncoder(decoded, after)
    return read([*(piece for event in numbered(events) for piece in encoder.feed(event)), *encoder.end()])


def complete(events: Events, decoded: ResponsesRequest = PLAIN) -> Any:
    return orjson.loads(ResponsesDialect().encode_completion(events[-1].finished.completion, decoded))


def kinds(stream: list[Any]) -> list[str]:
    """The types of events, without what all begin with."""
    return [event["type"].removeprefix("response.") for event in stream]


HELLO = [STARTED, *said(v1.Delta(text="Hel"), v1.Delta(text="lo")), ended()]
