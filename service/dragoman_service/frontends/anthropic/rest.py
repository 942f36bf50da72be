"""The paths of the API. Both of its versions are served alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.dialects.anthropic.server.dialect import MessagesDialect
from dragoman_service.dialects.anthropic.server.models import encode_count, encode_model, encode_models
from dragoman_service.dialects.anthropic.server.terms import vendor_name
from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.http import Completions, HttpService, Method
from dragoman_service.frontends.http.event_stream import KEEP_ALIVE
from dragoman_service.transport.http.call import HttpCall
from dragoman_service.validation import check_request

_BASES = ("/v1", "/v1/v1")
"""What programs make of a base URL: some give one with the version, which the clients add themselves."""
_HEADERS = ("anthropic-version",)
"""It is in every request of the vendor's clients, which list models at a path that others use too."""
_PAGE, _MOST = 20, 1000  # models


class Rest:
    """Serves the API. `keep_alive` is how many seconds a stream may be silent."""

    def __init__(self, context: FrontendContext, *, keep_alive: float = KEEP_ALIVE) -> None:
        self._engine = context.engine
        self._policy = context.vendor_policy
        self._dialect = MessagesDialect(reject=self._policy == v1.UNSUPPORTED_FIELD_POLICY_REJECT)
        self._completions = Completions(
            context, self._dialect, self._policy, vendor_name, prepare=_prepare, keep_alive=keep_alive
        )

    def service(self) -> HttpService:
        """All methods."""
        methods: list[Method] = []
        for base in _BASES:
            methods += (
                Method("POST", f"{base}/messages", "Messages", self._completions.serve, streams=True),
                Method("POST", f"{base}/messages/count_tokens", "CountTokens", self._count),
                Method("GET", f"{base}/models", "ListModels", self._list, headers=_HEADERS),
                Method("GET", f"{base}/models/{{id:.+}}", "GetModel", self._get, headers=_HEADERS),
            )
        return HttpService("anthropic", self._dialect.encode_error, tuple(methods))

    async def _count(self, http: HttpCall) -> None:
        decoded = await http.decoded(self._dialect.decode_request)
        decoded.request.unsupported_field_policy = self._policy
        check_request(decoded.request)
        http.accept()
        http.warn((warning.field, warning.message) for warning in decoded.warnings)
        counted = await self._engine.count_tokens(decoded.request, http.context.call())
        await _reply(http, encode_count(counted))

    async def _list(self, http: HttpCall) -> None:
        """A page of the models after or before one of them."""
        size, query = _size(http.request.query), http.request.query
        names = sorted(self._engine.names(http.context.caller), key=lambda each: each[0])
        if after := query.get("after_id"):
            names = [each for each in names if each[0] > after]
        elif before := query.get("before_id"):
            earlier = [each for each in names if each[0] < before]
            page = earlier[-size:]
            http.accept()
            await _reply(http, encode_models(page, more=len(earlier) > len(page)))
            return
        http.accept()
        await _reply(http, encode_models(names[:size], more=len(names) > size))

    async def _get(self, http: HttpCall) -> None:
        """One model by its name or an alias, which may contain slashes."""
        name = http.request.found["id"].rstrip("/")
        target = self._engine.resolve(name, http.context.caller)
        http.accept()
        await _reply(http, encode_model(name, target.model))


def _prepare(http: HttpCall, _: DecodedRequest) -> None:
    """Clients know a call by this header."""
    http.headers["request-id"] = http.context.call_id


def _size(query: Mapping[str, str]) -> int:
    given = query.get("limit", "")
    if not given:
        return _PAGE
    if not given.isdecimal() or not 1 <= int(given) <= _MOST:
        raise invalid(FieldViolation("limit", f"must be a number from 1 to {_MOST}"))
    return int(given)


async def _reply(http: HttpCall, answer: dict[str, Any]) -> None:
    http.headers["request-id"] = http.context.call_id
    await http.reply(orjson.dumps(answer))
