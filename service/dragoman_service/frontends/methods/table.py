"""The table of the native methods: each service and method of the schema, with the function that answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dragoman import v1
from google.longrunning import operations_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.methods.admin import Admin
from dragoman_service.frontends.methods.completions import ATTACH_IDLE, Completions
from dragoman_service.frontends.methods.limits import Limits
from dragoman_service.frontends.methods.models import Models
from dragoman_service.frontends.methods.operations import LongRunning
from dragoman_service.frontends.methods.usage import Usage

Answer = Callable[[Any, Any], Any]
"""`(request, CallContext)`: a coroutine function that returns the response or, for a method that streams, a function
that returns `Events`. Raises CompletionError."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method. `request` is the class of its request."""

    name: str
    request: type[Message]
    response: type[Message]
    streams: bool
    answer: Answer


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the schema. `needs_operations`: it cannot answer while the store of operations is unusable."""

    descriptor: ServiceDescriptor
    methods: tuple[Method, ...]
    needs_operations: bool = False


def native_services(context: FrontendContext, *, attach_idle: float | None = ATTACH_IDLE) -> tuple[Service, ...]:
    """All native services. See `Completions` for `attach_idle`."""
    completions = Completions(context.delivery, context.engine, context.operations, attach_idle)
    models = Models(context.engine, context.quotas.prices if context.quotas else None)
    admin, limits, usage = Admin(context), Limits(context), Usage(context)
    return (
        _service(
            v1.completion_service_pb2.DESCRIPTOR.services_by_name["CompletionService"],
            CreateCompletion=completions.create,
            StreamCompletion=completions.stream,
            StartCompletion=completions.start,
            AttachCompletion=completions.attach,
            GetCompletionRequest=completions.request,
            CountTokens=completions.count_tokens,
            Tokenize=completions.tokenize,
        ),
        _service(
            v1.model_service_pb2.DESCRIPTOR.services_by_name["ModelService"],
            ListModels=models.list,
            GetModel=models.get,
        ),
        _service(
            v1.admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"],
            ExplainRoute=admin.explain_route,
            ListQueues=admin.list_queues,
            ListWorkers=admin.list_workers,
        ),
        _service(v1.limit_service_pb2.DESCRIPTOR.services_by_name["LimitService"], GetLimits=limits.get),
        _service(
            v1.usage_service_pb2.DESCRIPTOR.services_by_name["UsageService"],
            ListUsage=usage.list,
            SummarizeUsage=usage.summarize,
        ),
        _operations(LongRunning(context.operations)),
    )


def _operations(methods: LongRunning) -> Service:
    return _service(
        operations_pb2.DESCRIPTOR.services_by_name["Operations"],
        needs_operations=True,
        GetOperation=methods.get,
        ListOperations=methods.list,
        WaitOperation=methods.wait,
        CancelOperation=methods.cancel,
        DeleteOperation=methods.delete,
    )


def _service(descriptor: ServiceDescriptor, *, needs_operations: bool = False, **answers: Answer) -> Service:
    """Raises LookupError unless each method of the schema has an answer, and nothing else has one."""
    methods: Mapping[str, MethodDescriptor] = descriptor.methods_by_name
    if unlike := set(methods) ^ answers.keys():
        raise LookupError(f"{descriptor.full_name}: {sorted(unlike)}")
    return Service(
        descriptor, tuple(_method(methods[name], answer) for name, answer in answers.items()), needs_operations
    )


def _method(method: MethodDescriptor, answer: Answer) -> Method:
    request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    return Method(method.name, request, response, method.server_streaming, answer)
