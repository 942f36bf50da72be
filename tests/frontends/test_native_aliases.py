"""Aliases from the settings, over real gRPC: which model answers, who may use them, what is counted."""

from __future__ import annotations

import hashlib

import grpc
import pytest
from dragoman import v1
from dragoman_service.app import running
from dragoman_service.settings.settings import SettingsError, load
from dragoman_service.telemetry.metrics import Metrics
from google.longrunning import operations_pb2, operations_pb2_grpc

NAMES = {"best": {"targets": ["echo/echo"]}, "gpt-*": {"targets": ["echo/echo"]}}


def key(holder: str, *models: str) -> dict[str, object]:
    return {"id": holder, "sha256": hashlib.sha256(holder.encode()).hexdigest(), "models": list(models)}


def as_(holder: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {holder}"),)


async def test_all_deliveries_know_the_names_and_say_them_as_they_were_written(start_service, prompt):
    service = await start_service(models=NAMES)
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        request = prompt("Hello", model="gpt-4o")
        whole = await stub.CreateCompletion(request)
        *_, last = [event async for event in stub.StreamCompletion(request)]
        started = await stub.StartCompletion(v1.StartCompletionRequest(request=request))
        done = await operations_pb2_grpc.OperationsStub(channel).WaitOperation(
            operations_pb2.WaitOperationRequest(name=started.name)
        )
        counted = await stub.CountTokens(request)
    late = v1.Completion()
    done.response.Unpack(late)

    for completion in (whole, last.finished.completion, late):
        assert (completion.requested_model, completion.provider, completion.served_model) == ("gpt-4o", "echo", "echo")
    assert counted.input_tokens == whole.usage.input_tokens


async def test_names_are_shown_with_their_model_and_patterns_answer(start_service):
    service = await start_service(models=NAMES)
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.ModelServiceStub(channel)
        (listed,) = (await stub.ListModels(v1.ListModelsRequest())).models
        by_pattern = await stub.GetModel(v1.GetModelRequest(name="gpt-4o"))

    assert (listed.name, list(listed.aliases)) == ("echo/echo", ["best", "echo"])
    assert by_pattern == listed


async def test_a_key_for_a_name_reaches_its_target_by_that_name_alone(start_service, prompt, refused):
    access = {"keys": [key("best-only", "best"), key("gpts", "gpt-*"), key("other", "local/*")]}
    service = await start_service(models=NAMES, access=access)
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        answers = {}
        for holder in ("best-only", "gpts", "other"):
            for name in ("best", "gpt-4o", "echo", "echo/echo"):
                call = stub.CreateCompletion(prompt(model=name), metadata=as_(holder))
                start = v1.StartCompletionRequest(request=prompt(model=name))
                later = stub.StartCompletion(start, metadata=as_(holder))
                if (holder, name) in {("best-only", "best"), ("gpts", "gpt-4o")}:
                    answers[holder] = (await call).choices[0].message.parts[0].text
                    assert (await later).name
                else:
                    assert (await refused(call)).reason == "MODEL_NOT_ALLOWED"
                    assert (await refused(later)).reason == "MODEL_NOT_ALLOWED"

    assert answers == {"best-only": "one two three", "gpts": "one two three"}


async def test_odd_names_that_a_pattern_takes_leave_the_number_of_series_alone(start_service, tmp_path, prompt):
    metrics = Metrics()
    tree = {
        "server": {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "data_dir": str(tmp_path)},
        "providers": {"echo": {}},
        "models": NAMES,
    }

    async with running(load(None, {}, tree), metrics) as service:
        engine = service.engine

        async def ask(name: str) -> None:
            async with engine.relay(prompt(model=name), engine.call("me")) as relay:
                await relay.completion()

        await ask("best")
        for number in range(500):
            await ask(f"gpt-{number}")
        labels = [sample.labels for family in metrics.registry.collect() for sample in family.samples]

    assert {found["gen_ai_request_model"] for found in labels if "gen_ai_request_model" in found} == {
        "echo/echo",
        "best",
    }
    assert not [found for found in labels if any("gpt-" in value for value in found.values())]


@pytest.mark.parametrize(
    ("models", "told"),
    [
        (
            {"best": {"targets": ["echo/eco"]}},
            "models.best.targets: the provider 'echo' has no 'echo/eco'; it has echo/echo",
        ),
        ({"echo/echo": {"targets": ["echo/echo"]}}, "models.echo/echo: is the full name of a model"),
        ({"best": {"targets": ["eko/echo"]}}, "models.best.targets.0: there is no such provider; configured: echo"),
    ],
)
async def test_a_name_that_leads_nowhere_is_a_mistake_at_start(start_service, models, told):
    with pytest.raises(SettingsError) as caught:
        await start_service(models=models)

    assert str(caught.value).startswith(told)
