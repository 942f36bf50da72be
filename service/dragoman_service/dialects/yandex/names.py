"""Names of Yandex Cloud: packages, methods, types, endpoints, model URIs."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.dialect.yandex import v1 as y

FOUNDATION_MODELS = "yandex.cloud.ai.foundation_models.v1"
OPERATION = "yandex.cloud.operation"
ENDPOINT = "yandex.cloud.endpoint"

TWINS = "dragoman/dialect/yandex/v1"
PACKAGES: Mapping[str, str] = {
    f"{TWINS}/tool.proto": FOUNDATION_MODELS,
    f"{TWINS}/completion.proto": FOUNDATION_MODELS,
    f"{TWINS}/text_generation_service.proto": FOUNDATION_MODELS,
    f"{TWINS}/tokenizer_service.proto": FOUNDATION_MODELS,
    f"{TWINS}/operation.proto": OPERATION,
    f"{TWINS}/operation_service.proto": OPERATION,
    f"{TWINS}/api_endpoint_service.proto": ENDPOINT,
}
"""The vendor's package for each file of wire twins."""

COMPLETION = f"/{FOUNDATION_MODELS}.TextGenerationService/Completion"
COMPLETION_ASYNC = f"/{FOUNDATION_MODELS}.TextGenerationAsyncService/Completion"
TOKENIZE = f"/{FOUNDATION_MODELS}.TokenizerService/Tokenize"
TOKENIZE_COMPLETION = f"/{FOUNDATION_MODELS}.TokenizerService/TokenizeCompletion"
OPERATION_GET = f"/{OPERATION}.OperationService/Get"
OPERATION_CANCEL = f"/{OPERATION}.OperationService/Cancel"

RESPONSE_TYPE = f"type.googleapis.com/{FOUNDATION_MODELS}.{y.CompletionResponse.DESCRIPTOR.name}"
DESCRIPTION = "Async GPT Completion"
ENDPOINTS = ("ai-foundation-models", "operation")
"""Ids of the endpoints that discovery returns."""
REQUEST_ID = "x-client-request-id"
IDEMPOTENCY_KEY = "idempotency-key"
_SCHEME = "gpt://"
_DEFAULT_VERSION = "latest"


def model_uri(folder: str, name: str) -> str:
    """The URI of a model. `name` is `MODEL` or `MODEL/VERSION` in the folder, or already a complete URI."""
    return name if "://" in name else f"{_SCHEME}{folder}/{name}"


def model_names(uri: str) -> tuple[str, ...]:
    """The names under which the model of `uri` is looked up, the most specific first.

    `gpt://b1g/yandexgpt/rc` is looked up as itself, as `yandexgpt/rc` and as `yandexgpt`. The default version is
    `latest`. Anything but a `gpt://` URI is itself a name, so that callers can use any model of the service.
    """
    if not uri.startswith(_SCHEME):
        return (uri,)
    model, _, version = uri.removeprefix(_SCHEME).partition("/")[2].partition("/")
    if not model:
        return (uri,)
    return uri, f"{model}/{version or _DEFAULT_VERSION}", model
