"""Handlers for the gRPC listener."""

from __future__ import annotations

from typing import Any

import grpc

from dragoman_service.frontends.methods.table import Method, Service
from dragoman_service.transport.call_context import with_call


def handlers_of(service: Service) -> grpc.GenericRpcHandler:
    """The handlers of all methods of a service."""
    methods = {method.name: _handler(method) for method in service.methods}
    return grpc.method_handlers_generic_handler(service.descriptor.full_name, methods)


def _handler(method: Method) -> grpc.RpcMethodHandler[Any, Any]:
    make = grpc.unary_stream_rpc_method_handler if method.streams else grpc.unary_unary_rpc_method_handler
    return make(with_call(method.answer), method.request.FromString, method.response.SerializeToString)
