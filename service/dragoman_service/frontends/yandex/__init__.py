"""Yandex Cloud's text generation: gRPC services under the vendor's names, and the REST API."""

from __future__ import annotations

import grpc
from dragoman.dialect.yandex.v1 import (
    api_endpoint_service_pb2,
    operation_service_pb2,
    text_generation_service_pb2,
    tokenizer_service_pb2,
)
from google.protobuf.descriptor import FileDescriptor

from dragoman_service.dialects.yandex.names import PACKAGES, REQUEST_ID
from dragoman_service.dialects.yandex.server.errors import encode_error
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.yandex.answers import Answers
from dragoman_service.frontends.yandex.rest import Rest
from dragoman_service.frontends.yandex.services import (
    ApiEndpoints,
    AsyncTextGeneration,
    Operations,
    TextGeneration,
    Tokenizer,
)
from dragoman_service.transport.grpc.policy import ServicePolicy
from dragoman_service.transport.grpc.server import GrpcServer
from dragoman_service.transport.grpc.twins import ForeignNames, method_handlers


def mount(context: FrontendContext) -> None:
    """Adds the vendor's services to both context."""
    answers, names = Answers(context), ForeignNames(PACKAGES)
    generation, tokenizer = text_generation_service_pb2.DESCRIPTOR, tokenizer_service_pb2.DESCRIPTOR
    for file, name, servicer in (
        (generation, "TextGenerationService", TextGeneration(answers)),
        (generation, "TextGenerationAsyncService", AsyncTextGeneration(answers)),
        (tokenizer, "TokenizerService", Tokenizer(answers)),
        (operation_service_pb2.DESCRIPTOR, "OperationService", Operations(answers)),
        (api_endpoint_service_pb2.DESCRIPTOR, "ApiEndpointService", ApiEndpoints(context.grpc)),
    ):
        _serve(context.grpc, names, file, name, servicer)
    context.http.serve(Rest(answers).service())


def _serve(server: GrpcServer, names: ForeignNames, file: FileDescriptor, name: str, servicer: object) -> None:
    twin = file.services_by_name[name]
    foreign = names.service(twin)
    handlers = grpc.method_handlers_generic_handler(foreign.full_name, method_handlers(twin, servicer))
    server.server.add_generic_rpc_handlers((handlers,))
    # Discovery needs no key, because the vendor's clients call it before they have one.
    public = isinstance(servicer, ApiEndpoints)
    needs_operations = isinstance(servicer, AsyncTextGeneration | Operations)
    server.serve(foreign, policy=ServicePolicy(public, needs_operations, REQUEST_ID, encode_error))
