"""Wire twins are served and shown under their vendor's names, and keep their own names inside."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from dragoman.dialect.yandex.v1 import operation_service_pb2, text_generation_service_pb2
from dragoman_service.dialects.yandex.names import PACKAGES
from dragoman_service.transport.grpc.twins import ForeignNames, Pools
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

FOUNDATION = "yandex.cloud.ai.foundation_models.v1"
REQUEST = '{"modelUri": "gpt://f/echo", "messages": [{"role": "user", "text": "hi"}]}'
CALLS = [
    ("yandex.cloud.endpoint.ApiEndpointService/List", "{}"),
    ("yandex.cloud.endpoint.ApiEndpointService/Get", '{"apiEndpointId": "operation"}'),
    (f"{FOUNDATION}.TextGenerationService/Completion", REQUEST),
    (f"{FOUNDATION}.TokenizerService/Tokenize", '{"modelUri": "gpt://f/echo", "text": "hi"}'),
    (f"{FOUNDATION}.TokenizerService/TokenizeCompletion", REQUEST),
    (f"{FOUNDATION}.TextGenerationAsyncService/Completion", REQUEST),
    ("yandex.cloud.operation.OperationService/Cancel", '{"operationId": "ID"}'),
    ("yandex.cloud.operation.OperationService/Get", '{"operationId": "ID"}'),
]


def call_all(address: str) -> tuple[set[str], dict[str, str]]:
    """Calls every method with what reflection shows alone. Returns the services and each response as JSON."""
    answers, operation = {}, ""
    with grpc.insecure_channel(address) as channel:
        shown = ProtoReflectionDescriptorDatabase(channel)
        pool = descriptor_pool.DescriptorPool(shown)
        for path, body in CALLS:
            service, name = path.split("/")
            method = pool.FindServiceByName(service).methods_by_name[name]
            request = message_factory.GetMessageClass(method.input_type)()
            json_format.Parse(body.replace("ID", operation), request, descriptor_pool=pool)
            answer = message_factory.GetMessageClass(method.output_type)
            kind = channel.unary_stream if method.server_streaming else channel.unary_unary
            result = kind(f"/{path}", type(request).SerializeToString, answer.FromString)(request, timeout=10)
            last = list(result)[-1] if method.server_streaming else result
            answers[path] = json_format.MessageToJson(last, descriptor_pool=pool)
            operation = getattr(last, "id", operation)
        return set(shown.get_services()), answers


async def test_every_rpc_can_be_called_by_reflection(start_service):
    service = await start_service()
    services, answers = await asyncio.to_thread(call_all, service.grpc_address)

    assert {path.split("/")[0] for path, _ in CALLS} <= services
    assert '"ALTERNATIVE_STATUS_FINAL"' in answers[f"{FOUNDATION}.TextGenerationService/Completion"]
    assert '"hi"' in answers[f"{FOUNDATION}.TokenizerService/Tokenize"]
    assert "Async GPT Completion" in answers["yandex.cloud.operation.OperationService/Get"]


@pytest.fixture
def names() -> ForeignNames:
    return ForeignNames(PACKAGES)


def test_reflection_shows_no_type_of_ours(names):
    files = (text_generation_service_pb2.DESCRIPTOR, operation_service_pb2.DESCRIPTOR)
    services = [names.service(twin) for file in files for twin in file.services_by_name.values()]
    shown = FileDescriptorProto()
    for service in services:
        for file in (service.file, *service.file.dependencies):
            file.CopyToProto(shown)

            assert "dragoman" not in str(shown)


def test_twins_keep_their_own_names(names):
    twin = text_generation_service_pb2.DESCRIPTOR.services_by_name["TextGenerationService"]
    foreign = names.service(twin)

    assert twin.full_name == "dragoman.dialect.yandex.v1.TextGenerationService"
    assert foreign.full_name == f"{FOUNDATION}.TextGenerationService"
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindFileContainingSymbol(foreign.full_name)


def test_the_first_pool_that_has_a_name_answers(names):
    foreign = names.service(operation_service_pb2.DESCRIPTOR.services_by_name["OperationService"])
    pools = Pools(descriptor_pool.Default(), foreign.file.pool)

    assert pools.FindFileContainingSymbol(foreign.full_name).name == foreign.file.name
    assert pools.FindFileContainingSymbol("dragoman.v1.Completion").name == "dragoman/v1/completion.proto"
    with pytest.raises(KeyError):
        pools.FindFileContainingSymbol("nothing.of.the.Kind")
