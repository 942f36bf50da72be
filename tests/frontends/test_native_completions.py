"""The three deliveries of the native API, over real gRPC."""

from __future__ import annotations

import grpc
import pytest
from dragoman import v1
from google.longrunning import operations_pb2, operations_pb2_grpc
from waiting import until


async def test_a_unary_call_returns_the_whole_answer(stub, prompt):
    completion = await stub.CreateCompletion(prompt("hello big world"))

    assert completion.choices[0].message.parts[0].text == "hello big world"
    assert completion.choices[0].message.role == v1.ROLE_ASSISTANT
    assert completion.choices[0].finish_reason == v1.FINISH_REASON_STOP
    assert completion.requested_model == "echo"
    assert (completion.provider, completion.served_model) == ("echo", "echo")
    assert completion.name.startswith("completions/")
    assert completion.usage.total_tokens == completion.usage.input_tokens + completion.usage.output_tokens > 0
    assert completion.finish_time.ToNanoseconds() >= completion.create_time.ToNanoseconds() > 0


async def test_a_stream_is_numbered_without_holes_and_ends_in_finished(stub, prompt):
    events = [event async for event in stub.StreamCompletion(prompt("hello big world"))]

    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert events[0].WhichOneof("event") == "started"
    assert [event.WhichOneof("event") for event in events].count("finished") == 1
    assert events[-1].WhichOneof("event") == "finished"
    text = "".join(event.delta.text for event in events if event.HasField("delta"))
    assert text == "hello big world" == events[-1].finished.completion.choices[0].message.parts[0].text


async def test_the_three_deliveries_give_one_answer(stub, channel, prompt):
    request = prompt("the same for all", choice_count=2)
    request.labels["team"] = "blue"
    whole = await stub.CreateCompletion(request)
    *_, last = [event async for event in stub.StreamCompletion(request)]
    started = await stub.StartCompletion(v1.StartCompletionRequest(request=request))
    operations = operations_pb2_grpc.OperationsStub(channel)
    done = await operations.WaitOperation(operations_pb2.WaitOperationRequest(name=started.name))
    late = v1.Completion()
    done.response.Unpack(late)

    for completion in (last.finished.completion, late):
        assert completion.choices == whole.choices
        assert completion.usage == whole.usage
        assert completion.labels == {"team": "blue"} == dict(whole.labels)


async def test_a_refused_stream_ends_in_finished_with_the_status_of_the_call(stub):
    events = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for event in stub.StreamCompletion(v1.CompletionRequest()):
            events.append(event)

    assert [event.WhichOneof("event") for event in events] == ["finished"]
    assert events[0].finished.error.code == caught.value.code().value[0]
    assert events[0].finished.error.message == caught.value.details()


async def test_a_failure_in_mid_stream_keeps_what_came_and_says_so_twice(start_service, prompt):
    service = await start_service({"echo": {"fail_after": 2}})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        events = []
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for event in v1.CompletionServiceStub(channel).StreamCompletion(prompt("a b c d")):
                events.append(event)

    assert any(event.HasField("delta") for event in events)
    assert events[-1].finished.error.message == caught.value.details()
    assert events[-1].finished.usage.partial


async def test_the_callers_deadline_reaches_the_provider(start_service, prompt, refused):
    service = await start_service({"echo": {"first_delay": "30s"}})
    echo = service.opened.providers["echo"]
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        refusal = await refused(v1.CompletionServiceStub(channel).CreateCompletion(prompt(), timeout=0.3))
        await until(lambda: not echo.running)

    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert echo.started == 1


async def test_without_a_deadline_the_servers_default_holds(start_service, prompt, refused):
    service = await start_service({"echo": {"first_delay": "30s"}}, server={"default_deadline": "200ms"})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        refusal = await refused(v1.CompletionServiceStub(channel).CreateCompletion(prompt()))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE")


@pytest.mark.parametrize("timeout", [1e6, 1e9])
async def test_absurd_deadlines_are_clamped(stub, prompt, timeout):
    completion = await stub.CreateCompletion(prompt("fine"), timeout=timeout)

    assert completion.choices[0].message.parts[0].text == "fine"


@pytest.mark.parametrize("delivery", ["CreateCompletion", "StreamCompletion"])
async def test_hanging_up_stops_the_provider(start_service, prompt, delivery):
    service = await start_service({"echo": {"delay": "20ms"}})
    echo = service.opened.providers["echo"]
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        call = getattr(v1.CompletionServiceStub(channel), delivery)(prompt("word " * 1000))
        await until(lambda: echo.running)
        call.cancel()
        await until(lambda: not echo.running)

    assert echo.started == 1


async def test_a_field_that_the_model_lacks_is_refused_by_name_or_warned_of(stub, prompt, refused):
    request = prompt("hi", repetition_penalty=1.1)
    refusal = await refused(stub.CreateCompletion(request))
    request.unsupported_field_policy = v1.UNSUPPORTED_FIELD_POLICY_WARN
    completion = await stub.CreateCompletion(request)

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNSUPPORTED_FIELD")
    assert refusal.fields == ["generation_config.repetition_penalty"]
    assert [warning.field for warning in completion.warnings] == refusal.fields


async def test_count_tokens_equals_the_usage_reported_later(stub, prompt):
    counted = await stub.CountTokens(prompt("four tokens are here"))
    completion = await stub.CreateCompletion(prompt("four tokens are here"))

    assert counted.input_tokens == completion.usage.input_tokens
    assert not counted.estimated


async def test_tokenize_splits_a_text_and_a_request(stub, prompt):
    of_text = await stub.Tokenize(v1.TokenizeRequest(model="echo", text="one two"))
    of_request = await stub.Tokenize(v1.TokenizeRequest(request=prompt("one two")))

    assert "".join(token.text for token in of_text.tokens) == "one two"
    assert "two" in "".join(token.text for token in of_request.tokens)


async def test_models_are_listed_in_pages_and_found_by_alias(start_service, refused):
    service = await start_service({name: {"plugin": "echo"} for name in ("a", "b", "c")})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        models = v1.ModelServiceStub(channel)
        first = await models.ListModels(v1.ListModelsRequest(page_size=2))
        second = await models.ListModels(v1.ListModelsRequest(page_size=2, page_token=first.next_page_token))
        by_alias = await models.GetModel(v1.GetModelRequest(name="echo"))
        clamped = await models.ListModels(v1.ListModelsRequest(page_size=1_000_000))
        negative = await refused(models.ListModels(v1.ListModelsRequest(page_size=-1)))
        tokens = ("%%%", "\N{CYRILLIC SMALL LETTER A}")
        forged = [await refused(models.ListModels(v1.ListModelsRequest(page_token=token))) for token in tokens]
        unknown = await refused(models.GetModel(v1.GetModelRequest(name="gpt-17")))

    assert [model.name for model in (*first.models, *second.models)] == ["a/echo", "b/echo", "c/echo"]
    assert second.next_page_token == ""
    assert by_alias.name == "a/echo"
    assert len(clamped.models) == 3
    assert negative.fields == ["page_size"]
    assert [one.fields for one in forged] == [["page_token"]] * 2
    assert (unknown.code, unknown.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
