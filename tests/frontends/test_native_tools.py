"""Tools over real gRPC: offered, called and answered, in all three deliveries."""

from __future__ import annotations

import json

import grpc
import pytest
from dragoman import v1
from dragoman_service.delivery import Delivery
from dragoman_service.testing import Scripted, choice_finished, serving, tool_call
from google.longrunning import operations_pb2, operations_pb2_grpc

CALLS = [{"name": "weather", "arguments": {"city": "Oslo"}}, {"name": "now"}]


@pytest.fixture
def question(prompt) -> v1.CompletionRequest:
    """A request for which echo calls two tools."""
    request = prompt("Rain?")
    script = "echo: " + json.dumps({"text": "Let me look.", "tool_calls": CALLS})
    request.messages.insert(0, v1.Message(role=v1.ROLE_SYSTEM, parts=[v1.Part(text=script)]))
    for name in ("weather", "now"):
        request.tools.add().function.name = name
    return request


def parts_of(events) -> list[v1.Part]:
    """The deltas of a stream, put together."""
    parts: list[v1.Part] = []
    for delta in (event.delta for event in events if event.HasField("delta")):
        if delta.HasField("tool_call"):
            if delta.tool_call.name:
                parts.append(v1.Part(tool_call=v1.ToolCall(id=delta.tool_call.id, name=delta.tool_call.name)))
            parts[-1].tool_call.arguments_json += delta.tool_call.arguments_json
        elif parts and parts[-1].text:
            parts[-1].text += delta.text
        else:
            parts.append(v1.Part(text=delta.text))
    return parts


def without_ids(message: v1.Message) -> v1.Message:
    bare = v1.Message()
    bare.CopyFrom(message)
    for part in bare.parts:
        part.tool_call.id = "" if part.HasField("tool_call") else part.tool_call.id
    return bare


async def test_the_three_deliveries_call_the_same_tools(stub, channel, question):
    whole = await stub.CreateCompletion(question)
    events = [event async for event in stub.StreamCompletion(question)]
    started = await stub.StartCompletion(v1.StartCompletionRequest(request=question))
    attached = [event async for event in stub.AttachCompletion(v1.AttachCompletionRequest(name=started.name))]
    operation = await operations_pb2_grpc.OperationsStub(channel).GetOperation(
        operations_pb2.GetOperationRequest(name=started.name)
    )
    late, metadata = v1.Completion(), v1.CompletionOperationMetadata()
    operation.response.Unpack(late)
    operation.metadata.Unpack(metadata)

    answer = whole.choices[0].message
    assert [part.tool_call.name or part.text for part in answer.parts] == ["Let me look.", "weather", "now"]
    assert json.loads(answer.parts[1].tool_call.arguments_json) == {"city": "Oslo"}
    assert whole.choices[0].finish_reason == v1.FINISH_REASON_TOOL_CALLS
    for stream, completion in ((events, events[-1].finished.completion), (attached, late)):
        assert parts_of(stream) == list(completion.choices[0].message.parts)
        assert without_ids(completion.choices[0].message) == without_ids(answer)
        assert all(part.tool_call.id for part in completion.choices[0].message.parts[1:])
    assert metadata.output_characters == sum(
        len(part.text) + len(part.tool_call.arguments_json) for part in answer.parts
    )


async def test_what_came_of_the_calls_is_sent_back_and_answered(stub, question):
    asked = (await stub.CreateCompletion(question)).choices[0].message
    question.messages.append(asked)
    results = question.messages.add(role=v1.ROLE_TOOL)
    for part in asked.parts[1:]:
        results.parts.add().tool_result.MergeFrom(v1.ToolResult(tool_call_id=part.tool_call.id, text="It rains."))
    del question.messages[0]
    answer = await stub.CreateCompletion(question)

    assert answer.choices[0].message.parts[0].text == "It rains.\nIt rains."
    assert answer.choices[0].finish_reason == v1.FINISH_REASON_STOP


async def test_pieces_out_of_order_are_told_as_the_providers_fault(refused):
    provider = Scripted(tool_call(1, "{}", name="now"), choice_finished())
    async with serving({"p": provider}) as served:
        request = v1.CompletionRequest(model="p/scripted")
        request.messages.add(role=v1.ROLE_USER).parts.add(text="?")
        refusal = await refused(served.completions.CreateCompletion(request))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "PROVIDER_MALFORMED")


async def test_a_prompt_is_answered_in_all_deliveries(stub):
    request = v1.CompletionRequest(model="echo", prompt="Once upon")
    whole = await stub.CreateCompletion(request)
    *_, last = [event async for event in stub.StreamCompletion(request)]
    counted = await stub.CountTokens(request)

    assert whole.choices[0].message.parts[0].text == "Once upon"
    assert last.finished.completion.choices == whole.choices
    assert counted.input_tokens == whole.usage.input_tokens == 2


async def test_events_of_a_repeatable_request_are_messages_for_frontends_that_read_them(start_service, question):
    service = await start_service()
    delivery = Delivery(service.engine, service.operations)
    question.request_id = "once"
    call = service.engine.call("me", streaming=True)
    async with delivery.stream(question, call) as events:
        streamed = [event async for event in events]
    whole = await delivery.complete(question, service.engine.call("me"))

    assert {type(event) for event in streamed} == {v1.CompletionEvent}
    assert [event.sequence for event in streamed] == list(range(1, len(streamed) + 1))
    assert streamed[0].started.operation
    assert streamed[-1].finished.completion == whole
