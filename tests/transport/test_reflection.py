"""Any reflection client can call every RPC with no proto files at hand."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

REQUEST = '{"model": "echo", "messages": [{"role": "ROLE_USER", "parts": [{"text": "hi"}]}]}'
CALLS = [
    ("dragoman.v1.CompletionService/CreateCompletion", REQUEST),
    ("dragoman.v1.CompletionService/StreamCompletion", REQUEST),
    ("dragoman.v1.CompletionService/CountTokens", REQUEST),
    ("dragoman.v1.CompletionService/Tokenize", f'{{"request": {REQUEST}}}'),
    ("dragoman.v1.ModelService/ListModels", "{}"),
    ("dragoman.v1.ModelService/GetModel", '{"name": "echo"}'),
    ("dragoman.v1.CompletionService/StartCompletion", f'{{"request": {REQUEST}}}'),
    ("google.longrunning.Operations/ListOperations", "{}"),
    ("google.longrunning.Operations/WaitOperation", '{"name": "NAME", "timeout": "5s"}'),
    ("google.longrunning.Operations/GetOperation", '{"name": "NAME"}'),
    ("google.longrunning.Operations/CancelOperation", '{"name": "NAME"}'),
    ("google.longrunning.Operations/DeleteOperation", '{"name": "NAME"}'),
]


def call_all(address: str) -> tuple[set[str], dict[str, str]]:
    """Calls every method with what reflection shows alone. Returns the services and each response as JSON."""
    answers = {}
    with grpc.insecure_channel(address) as channel:
        shown = ProtoReflectionDescriptorDatabase(channel)
        pool = descriptor_pool.DescriptorPool(shown)
        name = ""
        for path, body in CALLS:
            service, method_name = path.split("/")
            method = pool.FindServiceByName(service).methods_by_name[method_name]
            request = json_format.Parse(
                body.replace("NAME", name), message_factory.GetMessageClass(method.input_type)(), descriptor_pool=pool
            )
            answer = message_factory.GetMessageClass(method.output_type)
            kind = channel.unary_stream if method.server_streaming else channel.unary_unary
            result = kind(f"/{path}", type(request).SerializeToString, answer.FromString)(request, timeout=10)
            last = list(result)[-1] if method.server_streaming else result
            answers[path] = json_format.MessageToJson(last, descriptor_pool=pool)
            if method_name == "StartCompletion":
                name = last.name
        return set(shown.get_services()), answers


async def test_every_rpc_can_be_called_by_reflection(start_service):
    service = await start_service()
    services, answers = await asyncio.to_thread(call_all, service.grpc_address)

    assert {path.split("/")[0] for path, _ in CALLS} <= services
    assert '"text": "hi"' in answers["dragoman.v1.CompletionService/CreateCompletion"]
    assert '"finished"' in answers["dragoman.v1.CompletionService/StreamCompletion"]
    assert '"STATE_SUCCEEDED"' in answers["google.longrunning.Operations/GetOperation"]


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_both_versions_of_reflection_answer(channel, version):
    async def question():
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    ask = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    answer = await anext(aiter(ask(question())))

    names = {service.name for service in answer.list_services_response.service}
    assert "dragoman.v1.CompletionService" in names
    assert f"grpc.reflection.{version}.ServerReflection" in names


async def test_whatever_is_listed_can_be_described(start_service):
    service = await start_service()

    def described(address: str) -> tuple[set[str], set[str], dict[str, str]]:
        with grpc.insecure_channel(address) as channel:
            shown = ProtoReflectionDescriptorDatabase(channel)
            pool, names = descriptor_pool.DescriptorPool(shown), set(shown.get_services())
            services = [pool.FindServiceByName(name) for name in names]
            methods = [method.full_name for service in services for method in service.methods]
            files = {name: shown.FindFileContainingSymbol(name).name for name in methods}
            return names, {service.full_name for service in services}, files

    listed, found, methods = await asyncio.to_thread(described, service.grpc_address)

    assert listed == found
    assert methods["dragoman.v1.CompletionService.CreateCompletion"] == "dragoman/v1/completion_service.proto"
    assert methods["grpc.health.v1.Health.List"] == "grpc_health/v1/health.proto"
    assert len(methods) > 20
