"""The API of OpenAI over HTTP: chat completions, legacy completions, models."""

from __future__ import annotations

from dragoman_service.dialects.openai.server.errors import error_said
from dragoman_service.dialects.openai.server.request import chat_asked, completion_asked
from dragoman_service.dialects.openai.server.response import chat_said, completion_said
from dragoman_service.dialects.openai.server.stream import ChatChunks, CompletionChunks
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.openai.completions import Completions, Form
from dragoman_service.frontends.openai.models import Models
from dragoman_service.transport.http.guard import HttpService, Method

CHAT = Form(chat_asked, chat_said, ChatChunks)
LEGACY = Form(completion_asked, completion_said, CompletionChunks)
ROOT_CHAT = Form(chat_asked, chat_said, ChatChunks, usage_chunk=False)
"""As Gray Swan's clients have it, which look for a choice in every chunk."""


def mount(context: FrontendContext) -> None:
    """Adds the routes to the HTTP listener."""
    chat, legacy, root = (Completions(context, form).serve for form in (CHAT, LEGACY, ROOT_CHAT))
    models = Models(context.engine)
    methods = (
        Method("POST", "/v1/chat/completions", "ChatCompletions", chat, streams=True),
        Method("POST", "/chat/completion", "ChatCompletion", root, streams=True),
        Method("POST", "/v1/completions", "Completions", legacy, streams=True),
        Method("GET", "/v1/models", "ListModels", models.list),
        Method("GET", "/v1/models/{id:.+}", "GetModel", models.get),
    )
    context.http.serve(HttpService("openai", error_said, methods))
