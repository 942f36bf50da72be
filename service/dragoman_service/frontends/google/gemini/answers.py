"""The answers to calls other than completions, whether they come over gRPC or over HTTP."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Call, FieldViolation, invalid
from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.google.gemini.server.models import (
    encode_count,
    encode_model,
    encode_publisher_model,
    encode_tokens,
)
from dragoman_service.dialects.google.names import model_names
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.validation import check_request, limits
from dragoman_service.validation.rpcs import effective_page_size
from dragoman_service.validation.wording import too_long


class Answers:
    """All methods raise CompletionError. A model is named as in the path of a request, with or without its parents."""

    def __init__(self, context: FrontendContext) -> None:
        self._engine = context.engine
        self._policy = context.vendor_policy

    def resolve(self, decoded: DecodedRequest, resource: str, caller: str) -> Target:
        """The model of a request, whose name is put into the request."""
        decoded.request.unsupported_field_policy = self._policy
        decoded.request.model, target = self._engine.resolve_any(model_names(resource), caller)
        return target

    async def count(self, decoded: DecodedRequest, resource: str, call: Call) -> dict[str, Any]:
        """The number of tokens of a request."""
        self.resolve(decoded, resource, call.caller)
        check_request(decoded.request)
        return encode_count(await self._engine.count_tokens(decoded.request, call))

    async def compute(self, texts: Sequence[tuple[str, str]], resource: str, call: Call) -> dict[str, Any]:
        """The tokens of texts with their roles."""
        if (wrong := next((text for _, text in texts if len(text) > limits.TEXT), None)) is not None:
            raise invalid(too_long("contents", wrong, limits.TEXT))
        model, target = self._engine.resolve_any(model_names(resource), call.caller)
        found = []
        for role, text in texts:
            response = await self._engine.tokenize(v1.TokenizeRequest(model=model, text=text), call, target)
            found.append(encode_tokens(role, response))
        return {"tokensInfo": found}

    def model(self, name: str, caller: str) -> dict[str, Any]:
        """One model of the Gemini API, under the name that it was asked for."""
        known, target = self._engine.resolve_any(model_names(name), caller)
        return encode_model(known, target.model)

    def models(self, size: int, token: str, caller: str) -> dict[str, Any]:
        """A page of the models of the Gemini API. `size` 0 is the default."""
        page, more = self._page(size, token, caller)
        return {"models": [encode_model(name, model) for name, model in page], **more}

    def publisher_models(self, size: int, token: str, caller: str) -> dict[str, Any]:
        """A page of the models of Vertex AI."""
        page, more = self._page(size, token, caller)
        return {"publisherModels": [encode_publisher_model(name) for name, _ in page], **more}

    def _page(self, size: int, token: str, caller: str) -> tuple[list[tuple[str, v1.Model]], dict[str, str]]:
        """The models after the one that `token` names, and the token of the next page."""
        size = effective_page_size(size, limits.MODELS_PAGE)
        after = _name_in(token)
        names = dict(self._engine.names(caller))
        left = sorted(name for name in names if name > after)
        more = {"nextPageToken": base64.urlsafe_b64encode(left[size - 1].encode()).decode()} if len(left) > size else {}
        return [(name, names[name]) for name in left[:size]], more


def _name_in(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:  # of base64 or of UTF-8
        allowed = "must be empty, or the nextPageToken of a list"
        raise invalid(FieldViolation("pageToken", allowed)) from None
