"""OpenAI's API over HTTP: chat completions, legacy text completions, responses, models."""

from __future__ import annotations

from dragoman import v1

from dragoman_service.dialects.openai.server.dialect import ChatDialect, TextDialect
from dragoman_service.dialects.openai.server.errors import encode_error, param_of
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.http import Completions, HttpService, Method
from dragoman_service.frontends.openai.models import Models
from dragoman_service.frontends.openai.responses.rest import Responses

BASES = ("/v1", "", "/v1/v1")
"""What programs make of a base URL: some add the version themselves, whether it is there already or not."""


def mount(context: FrontendContext) -> None:
    """Adds the routes to the HTTP listener."""
    policy = context.vendor_policy
    reject = policy == v1.UNSUPPORTED_FIELD_POLICY_REJECT
    chat = Completions(context, ChatDialect(reject=reject), policy, param_of)
    # Gray Swan's clients look for a choice in every chunk.
    root = Completions(context, ChatDialect(usage_chunk=False, reject=reject), policy, param_of)
    text = Completions(context, TextDialect(reject=reject), policy, param_of)
    models = Models(context.engine)
    methods = [Method("POST", "/chat/completion", "ChatCompletion", root.serve, streams=True)]
    for base in BASES:
        methods += (
            Method("POST", f"{base}/chat/completions", "ChatCompletions", chat.serve, streams=True),
            Method("POST", f"{base}/completions", "Completions", text.serve, streams=True),
            Method("GET", f"{base}/models", "ListModels", models.list),
            Method("GET", f"{base}/models/{{id:.+}}", "GetModel", models.get),
        )
    context.http.serve(HttpService("openai", encode_error, tuple(methods)))
    context.http.serve(Responses(context).service(BASES))
