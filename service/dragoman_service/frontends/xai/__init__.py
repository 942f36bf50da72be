"""xAI's API: chat, models, tokens and the caller's key, over gRPC under the vendor's names."""

from __future__ import annotations

import grpc
from dragoman.dialect.xai.v1 import auth_pb2, chat_pb2, models_pb2, tokenize_pb2

from dragoman_service.dialects.xai.names import PACKAGES
from dragoman_service.dialects.xai.server.terms import encode_error
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.xai.auth import Auth
from dragoman_service.frontends.xai.chat import Chat
from dragoman_service.frontends.xai.models import Models, Tokenize
from dragoman_service.transport.grpc.policy import ServicePolicy
from dragoman_service.transport.grpc.twins import ForeignNames, method_handlers


def mount(context: FrontendContext) -> None:
    """Adds the vendor's services to the gRPC listener."""
    names = ForeignNames(PACKAGES)
    for file, name, servicer in (
        (chat_pb2.DESCRIPTOR, "Chat", Chat(context)),
        (models_pb2.DESCRIPTOR, "Models", Models(context.engine)),
        (tokenize_pb2.DESCRIPTOR, "Tokenize", Tokenize(context.engine)),
        (auth_pb2.DESCRIPTOR, "Auth", Auth(context.auth)),
    ):
        twin = file.services_by_name[name]
        foreign = names.service(twin)
        handlers = grpc.method_handlers_generic_handler(foreign.full_name, method_handlers(twin, servicer))
        context.grpc.server.add_generic_rpc_handlers((handlers,))
        context.grpc.serve(foreign, policy=ServicePolicy(encode_error=encode_error))
