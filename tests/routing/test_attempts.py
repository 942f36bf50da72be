"""Attempts at several targets of a real service: the same in all deliveries."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import grpc
import pytest
from dragoman import v1
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

CLASSES = {  # reason: code, whether another target is asked
    "PROVIDER_UNAVAILABLE": ("UNAVAILABLE", True),
    "PROVIDER_TIMEOUT": ("UNAVAILABLE", True),
    "PROVIDER_MALFORMED": ("INTERNAL", True),
    "PROVIDER_RATE_LIMITED": ("RESOURCE_EXHAUSTED", True),
    "PROVIDER_CREDENTIALS": ("FAILED_PRECONDITION", True),
    "PROVIDER_QUOTA": ("FAILED_PRECONDITION", True),
    "PROVIDER_MODEL_MISSING": ("FAILED_PRECONDITION", True),
    "CONTEXT_LENGTH_EXCEEDED": ("INVALID_ARGUMENT", True),
    "PROVIDER_REJECTED": ("INVALID_ARGUMENT", False),
}


def failing(reason: str, after: int = 0, **more: Any) -> dict[str, Any]:
    return {"plugin": "echo", "fail_after": after, "fail_code": CLASSES[reason][0], "fail_reason": reason, **more}


def best(**more: Any) -> dict[str, Any]:
    return {"best": {"targets": ["a/echo", "b/echo"], **more}}


def asking(**fields: Any) -> v1.CompletionRequest:
    request = v1.CompletionRequest(model="best", **fields)
    request.messages.add(role=v1.ROLE_USER).parts.add(text="one two three")
    return request


def outcome(completion: v1.Completion) -> tuple[str, str, list[tuple[str, str, str]]]:
    attempts = [
        (each.provider, v1.Attempt.Kind.Name(each.kind)[5:], reason_of(each.error)) for each in completion.attempts
    ]
    return completion.provider, completion.choices[0].message.parts[0].text, attempts


def reason_of(status: Status) -> str:
    info = error_details_pb2.ErrorInfo()
    return info.reason if status.details and status.details[0].Unpack(info) else ""


async def complete(service: Any, request: v1.CompletionRequest) -> v1.Completion | Status:
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        try:
            return await v1.CompletionServiceStub(channel).CreateCompletion(request, timeout=20)
        except grpc.aio.AioRpcError as error:
            return _status(error)


async def stream(service: Any, request: v1.CompletionRequest) -> v1.Completion | Status:
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        try:
            async for event in v1.CompletionServiceStub(channel).StreamCompletion(request, timeout=20):
                last = event
        except grpc.aio.AioRpcError as error:
            return _status(error)
        return last.finished.completion


async def operate(service: Any, request: v1.CompletionRequest) -> v1.Completion | Status:
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        start = v1.StartCompletionRequest(request=request)
        operation = await v1.CompletionServiceStub(channel).StartCompletion(start, timeout=20)
        waiting = operations_pb2.WaitOperationRequest(name=operation.name)
        operation = await operations_pb2_grpc.OperationsStub(channel).WaitOperation(waiting, timeout=20)
    completion = v1.Completion()
    return completion if operation.response.Unpack(completion) else operation.error


def _status(error: grpc.aio.AioRpcError) -> Status:
    details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    return Status.FromString(details)


DELIVERIES = (complete, stream, operate)


@pytest.mark.parametrize("deliver", DELIVERIES)
@pytest.mark.parametrize("reason", CLASSES)
async def test_the_class_of_an_error_decides_whether_another_target_is_asked(start_service, deliver, reason):
    service = await start_service({"a": failing(reason), "b": {"plugin": "echo"}}, models=best())
    answer = await deliver(service, asking())

    if CLASSES[reason][1]:
        assert outcome(answer) == ("b", "one two three", [("a", "FIRST", reason), ("b", "FALLBACK", "")])
    else:
        assert reason_of(answer) == reason


@pytest.mark.parametrize("deliver", DELIVERIES)
async def test_nothing_is_tried_again_once_text_has_come(start_service, deliver):
    providers = {"a": failing("PROVIDER_UNAVAILABLE", after=2), "b": {"plugin": "echo"}}
    service = await start_service(providers, models=best())
    answer = await deliver(service, asking())

    assert reason_of(answer) == "PROVIDER_UNAVAILABLE"
    info = error_details_pb2.ErrorInfo()
    answer.details[0].Unpack(info)
    assert info.metadata["retryable"] == "false"


async def test_an_attempt_that_failed_is_told_before_the_answer_begins(start_service):
    service = await start_service({"a": failing("PROVIDER_QUOTA"), "b": {"plugin": "echo"}}, models=best())
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        events = [event async for event in v1.CompletionServiceStub(channel).StreamCompletion(asking(), timeout=20)]
    kinds = [event.WhichOneof("event") for event in events]

    assert kinds[:2] == ["attempt", "started"]
    assert kinds[-2:] == ["attempt", "finished"]
    assert events[1].started.provider == "b"


async def test_a_weak_target_is_asked_once_more_before_the_next(start_service):
    weak = failing("PROVIDER_UNAVAILABLE", fail_retry_after="1s")  # the delay that providers give if none is named
    service = await start_service({"a": weak, "b": {"plugin": "echo"}}, models=best())
    attempts = outcome(await complete(service, asking()))[2]

    assert [each[:2] for each in attempts] == [("a", "FIRST"), ("a", "RETRY"), ("b", "FALLBACK")]


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"fallback": {"on": []}}, {}),
        ({"max_attempts": 1}, {}),
        ({}, {"routing": v1.RoutingOptions(no_fallback=True)}),
        ({}, {"routing": v1.RoutingOptions(max_attempts=1)}),
        ({}, {"routing": v1.RoutingOptions(only=["a/*"])}),
    ],
    ids=repr,
)
async def test_settings_and_callers_can_forbid_fallback(start_service, settings, fields):
    service = await start_service({"a": failing("PROVIDER_QUOTA"), "b": {"plugin": "echo"}}, models=best(**settings))

    assert reason_of(await complete(service, asking(**fields))) == "PROVIDER_QUOTA"


async def test_a_caller_can_name_the_targets_that_may_be_asked(start_service):
    service = await start_service({"a": {"plugin": "echo"}, "b": {"plugin": "echo"}}, models=best())
    named = await complete(service, asking(routing=v1.RoutingOptions(only=["b/*"])))
    other = await complete(service, asking(routing=v1.RoutingOptions(only=["c/*"])))

    assert outcome(named)[0] == "b"
    assert reason_of(other) == "INVALID_FIELD"


async def test_a_target_without_a_field_is_left_out_if_another_has_it(start_service):
    unreachable = {"plugin": "openai", "base_url": "http://127.0.0.1:1", "models": ["echo"], "api_key": "k"}
    service = await start_service({"a": {"plugin": "echo"}, "b": unreachable}, models=best())
    request = asking()
    request.generation_config.presence_penalty = 1  # which the echo provider does not support
    answer = await complete(service, request)

    info = error_details_pb2.ErrorInfo()
    answer.details[0].Unpack(info)
    assert (info.reason, info.metadata["provider"]) == ("PROVIDER_UNAVAILABLE", "b")


async def test_a_slow_target_is_left_at_the_first_token_limit(start_service):
    slow = {"plugin": "echo", "first_delay": "30s"}
    service = await start_service({"a": slow, "b": {"plugin": "echo"}}, models=best(first_token="50ms"))
    found = outcome(await complete(service, asking()))

    assert found[2] == [("a", "FIRST", "PROVIDER_TIMEOUT"), ("b", "FALLBACK", "")]


async def test_a_single_target_that_is_down_is_not_asked_again_and_again(start_service):
    service = await start_service({"a": failing("PROVIDER_QUOTA")}, models={"best": {"targets": ["a/echo"]}})
    reasons = [reason_of(await complete(service, asking())) for _ in range(10)]

    assert reasons[0] == "PROVIDER_QUOTA"
    assert set(reasons[1:]) == {"NO_PROVIDER_AVAILABLE"}
    refused = await complete(service, asking())
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in refused.details)
    assert 0 < retry.retry_delay.ToTimedelta().total_seconds() <= 1


async def test_a_hedge_answers_while_the_first_target_is_slow(start_service):
    slow = {"plugin": "echo", "first_delay": "30s"}
    models = best(hedge={"after": "20ms", "extra": 1.0})
    service = await start_service({"a": slow, "b": {"plugin": "echo"}}, models=models)
    found = outcome(await complete(service, asking()))

    assert found == ("b", "one two three", [("a", "FIRST", "CANCELLED"), ("b", "HEDGE", "")])


async def test_hedges_stay_within_their_share(start_service):
    slow = {"plugin": "echo", "first_delay": "60ms"}
    models = best(hedge={"after": "5ms", "extra": 0.1})
    service = await start_service({"a": slow, "b": {"plugin": "echo"}}, models=models)
    found = [outcome(await complete(service, asking()))[0] for _ in range(20)]

    assert found.count("b") == 2


async def test_a_session_stays_with_its_target(start_service):
    providers = {name: {"plugin": "echo"} for name in "abcd"}
    models = {"best": {"targets": [f"{name}/echo" for name in providers], "choose": "weighted"}}
    service = await start_service(providers, models=models)
    sessions = [asking(routing=v1.RoutingOptions(session=f"s{number}")) for number in range(12)]
    first = [outcome(await complete(service, each))[0] for each in sessions]
    again = [outcome(await complete(service, each))[0] for each in sessions]

    assert first == again
    assert len(set(first)) > 1


async def test_an_openai_client_is_answered_by_the_next_target_too(start_service):
    service = await start_service({"a": failing("PROVIDER_CREDENTIALS"), "b": {"plugin": "echo"}}, models=best())
    body = {"model": "best", "messages": [{"role": "user", "content": "one two"}], "stream": True}
    url = f"http://{service.http_address}/v1/chat/completions"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        lines = (await response.text()).splitlines()
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    assert response.status == 200
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"]) == "one two"


async def test_what_routing_did_is_in_the_metrics(start_service):
    service = await start_service({"a": failing("PROVIDER_QUOTA"), "b": {"plugin": "echo"}}, models=best())
    for _ in range(3):
        await complete(service, asking())
    url = f"http://{service.http_address}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        metrics = await response.text()

    assert 'dragoman_provider_attempts_total{kind="first",model="echo",outcome="fatal",provider="a"} 1.0' in metrics
    assert 'dragoman_provider_attempts_total{kind="fallback",model="echo",outcome="ok",provider="b"} 1.0' in metrics
    assert 'dragoman_provider_attempts_total{kind="first",model="echo",outcome="ok",provider="b"} 2.0' in metrics
    assert 'dragoman_provider_errors_total{model="echo",provider="a",reason="PROVIDER_QUOTA"} 1.0' in metrics
    assert 'dragoman_target_state{model="echo",provider="a"} 2.0' in metrics
    assert 'dragoman_target_state{model="echo",provider="b"} 0.0' in metrics
    assert 'dragoman_route_skipped_total{model="echo",provider="a",reason="breaker"} 2.0' in metrics


@pytest.mark.parametrize("rerun", [False, True])
async def test_an_operation_whose_answer_breaks_off_runs_again_if_the_settings_say_so(start_service, rerun):
    providers = {"a": failing("PROVIDER_UNAVAILABLE", after=2), "b": {"plugin": "echo"}}
    models = best(rerun_broken=rerun)
    service = await start_service(providers, models=models, routing={"breaker": {"failures": 1}})
    answer = await operate(service, asking())

    if rerun:
        assert outcome(answer)[:2] == ("b", "one two three")
    else:
        assert reason_of(answer) == "PROVIDER_UNAVAILABLE"
