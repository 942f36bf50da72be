"""ModelService: the models that the caller may use."""

from __future__ import annotations

import base64

from dragoman import v1

from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.engine.engine import Engine
from dragoman_service.limits.prices import Prices, pricing
from dragoman_service.transport.call_context import CallContext
from dragoman_service.validation import limits
from dragoman_service.validation.rpcs import check_model_name, effective_page_size


class Models:
    """Lists the models of the catalogue that the caller may use, with their prices in the settings."""

    def __init__(self, engine: Engine, prices: Prices | None = None) -> None:
        self._engine, self._prices = engine, prices

    async def list(self, request: v1.ListModelsRequest, call: CallContext) -> v1.ListModelsResponse:
        size = effective_page_size(request.page_size, limits.MODELS_PAGE)
        after = _read_token(request.page_token)
        models = [model for model in self._engine.models(call.caller) if model.name > after]
        page = models[:size]
        more = len(models) > len(page)
        return v1.ListModelsResponse(
            models=[self._priced(model) for model in page],
            next_page_token=_make_token(page[-1].name) if more else "",
            unreachable=sorted(self._engine.catalogue.unreachable),
        )

    async def get(self, request: v1.GetModelRequest, call: CallContext) -> v1.Model:
        return self._priced(self._engine.model(check_model_name(request.name), call.caller))

    def _priced(self, model: v1.Model) -> v1.Model:
        """The model with its price. What a provider says of it is left out, because nothing is charged by that."""
        price = self._prices and self._prices.of(model.name)
        model.ClearField("pricing")
        if price:
            model.pricing.CopyFrom(pricing(price))
        return model


def _make_token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:  # of base64, of ASCII or of UTF-8
        allowed = "must be empty, or the next_page_token of a ListModels call"
        raise invalid(FieldViolation("page_token", allowed)) from None
