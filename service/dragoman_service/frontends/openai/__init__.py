"""OpenAI's API over HTTP: chat completions, legacy text completions, models."""

from __future__ import annotations

from dragoman_service.dialects.openai.server.dialect import ChatDialect, TextDialect
from dragoman_service.dialects.openai.server.errors import encode_error
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.http import Completions, HttpService, Method
from dragoman_service.frontends.openai.models import Models


def mount(context: FrontendContext) -> None:
    """Adds the routes to the HTTP listener."""
    chat = Completions(context, ChatDialect())
    # Gray Swan's clients look for a choice in every chunk.
    root = Completions(context, ChatDialect(usage_chunk=False))
    text, models = Completions(context, TextDialect()), Models(context.engine)
    methods = (
        Method("POST", "/v1/chat/completions", "ChatCompletions", chat.serve, streams=True),
        Method("POST", "/chat/completion", "ChatCompletion", root.serve, streams=True),
        Method("POST", "/v1/completions", "Completions", text.serve, streams=True),
        Method("GET", "/v1/models", "ListModels", models.list),
        Method("GET", "/v1/models/{id:.+}", "GetModel", models.get),
    )
    context.http.serve(HttpService("openai", encode_error, methods))
