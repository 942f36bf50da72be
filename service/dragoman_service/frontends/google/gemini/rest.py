"""The REST API: paths of the Gemini API and of Vertex AI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.server.dialect import ArrayDialect, SseDialect
from dragoman_service.dialects.google.gemini.server.request import decode_texts
from dragoman_service.dialects.google.gemini.server.terms import vendor_name
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.google.gemini.answers import Answers
from dragoman_service.frontends.http import Completions, HttpService, Method
from dragoman_service.transport.http.call import HttpCall

_HEADERS = ("x-goog-api-key", "x-goog-api-client")
"""One of these is in every request of the vendor's clients, which list models at a path that others use too."""
_MODEL = "{model:.+}"
_PROJECT = "projects/{project}/locations/{location}/"
_PUBLISHED = "publishers/{publisher}/models/" + _MODEL
_PATHS = {
    Api.GEMINI: tuple(f"/{version}/models/{_MODEL}" for version in ("v1", "v1beta")),
    Api.VERTEX: tuple(
        f"/{version}/{resource}"
        for version in ("v1", "v1beta1")
        for resource in (_PROJECT + _PUBLISHED, f"{_PROJECT}models/{_MODEL}", _PUBLISHED)
    ),
}
"""Paths of models. Callers may leave out the publisher, or the project and its location."""


class Rest:
    """Serves one API after the other."""

    def __init__(self, context: FrontendContext) -> None:
        self._context = context
        self._answers = Answers(context)

    def service(self) -> HttpService:
        """All methods."""
        methods = (*self._completions(), *self._lists(), *self._models())
        return HttpService("gemini", SseDialect(Api.GEMINI).encode_error, methods, key_parameter="key")

    def _completions(self) -> Iterator[Method]:
        for api, paths in _PATHS.items():
            calls = _ContentCalls(self._context, self._answers, api)
            for path in paths:
                yield Method("POST", f"{path}:generateContent", "GenerateContent", calls.generate)
                yield Method(
                    "POST", f"{path}:streamGenerateContent", "StreamGenerateContent", calls.stream, streams=True
                )
                yield Method("POST", f"{path}:countTokens", "CountTokens", calls.count)
                if api is Api.VERTEX:
                    yield Method("POST", f"{path}:computeTokens", "ComputeTokens", calls.compute)

    def _lists(self) -> Iterator[Method]:
        for version, headers in (("v1", _HEADERS), ("v1beta", ())):
            yield Method("GET", f"/{version}/models", "ListModels", self._list, headers=headers)
        yield Method("GET", "/v1beta1/publishers/{publisher}/models", "ListPublisherModels", self._list_publisher)

    def _models(self) -> Iterator[Method]:
        for version, headers in (("v1", _HEADERS), ("v1beta", ())):
            yield Method("GET", f"/{version}/models/{_MODEL}", "GetModel", self._model, headers=headers)

    async def _list(self, http: HttpCall) -> None:
        size, token = _page(http)
        http.accept()
        await http.reply(orjson.dumps(self._answers.models(size, token, http.context.caller)))

    async def _list_publisher(self, http: HttpCall) -> None:
        size, token = _page(http)
        http.accept()
        await http.reply(orjson.dumps(self._answers.publisher_models(size, token, http.context.caller)))

    async def _model(self, http: HttpCall) -> None:
        model = self._answers.model(_resource(http), http.context.caller)
        http.accept()
        await http.reply(orjson.dumps(model))


class _ContentCalls:
    """The methods of a model in one of the APIs."""

    def __init__(self, context: FrontendContext, answers: Answers, api: Api) -> None:
        self._answers = answers
        self._api = api
        policy = context.vendor_policy
        reject = policy == v1.UNSUPPORTED_FIELD_POLICY_REJECT
        self._dialect = SseDialect(api, reject=reject)

        def completions(dialect: SseDialect) -> Completions:
            kind, opening = dialect.content_type, dialect.opening
            return Completions(
                context, dialect, policy, vendor_name, prepare=self._prepare, content_type=kind, opening=opening
            )

        self._whole = completions(self._dialect)
        self._events = completions(SseDialect(api, stream=True, reject=reject))
        self._array = completions(ArrayDialect(api, stream=True, reject=reject))

    async def generate(self, http: HttpCall) -> None:
        await self._whole.serve(http)

    async def stream(self, http: HttpCall) -> None:
        """Server-sent events if the caller asks for them, otherwise the elements of an array."""
        query = http.request.query
        form = query.get("alt") or query.get("$alt") or ""
        await (self._events if form.partition(";")[0] == "sse" else self._array).serve(http)

    async def count(self, http: HttpCall) -> None:
        decoded = await http.decoded(self._dialect.decode_count)
        http.accept()
        http.warn((warning.field, warning.message) for warning in decoded.warnings)
        await _reply(http, await self._answers.count(decoded, _resource(http), http.context.call()))

    async def compute(self, http: HttpCall) -> None:
        texts = await http.decoded(lambda body: decode_texts(body, self._api))
        http.accept()
        await _reply(http, await self._answers.compute(texts, _resource(http), http.context.call()))

    def _prepare(self, http: HttpCall, decoded: DecodedRequest) -> Target:
        return self._answers.resolve(decoded, _resource(http), http.context.caller)


async def _reply(http: HttpCall, answer: dict[str, Any]) -> None:
    await http.reply(orjson.dumps(answer))


def _resource(http: HttpCall) -> str:
    """The resource name of the model in the path."""
    found = http.request.found
    model = found["model"].rstrip("/")
    return f"publishers/{found['publisher']}/models/{model}" if "publisher" in found else f"models/{model}"


def _page(http: HttpCall) -> tuple[int, str]:
    """The size and the token of the page that the query asks for."""
    query = http.request.query
    size = query.get("pageSize") or query.get("page_size") or "0"
    if not (size.isascii() and size.isdecimal() and len(size) < 9):
        raise invalid(FieldViolation("pageSize", "must be a number of models"))
    return int(size), query.get("pageToken") or query.get("page_token") or ""
