"""The models that can be asked for."""

from __future__ import annotations

from typing import Any

import orjson
from dragoman import v1

from dragoman_service.engine.engine import Engine
from dragoman_service.transport.http.call import HttpCall


class Models:
    """Shows the catalogue by the names that the caller may use: what is shown as an id can be asked for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list(self, call: HttpCall) -> None:
        call.accept()
        models = [_model(name, model) for name, model in self._engine.names(call.context.caller)]
        await call.reply(orjson.dumps({"object": "list", "data": models}))

    async def get(self, call: HttpCall) -> None:
        """By name or alias, which may have slashes in it."""
        name = call.request.match_info["id"]
        target = self._engine.resolve(name, call.context.caller)
        call.accept()
        await call.reply(orjson.dumps(_model(name, target.model)))


def _model(name: str, model: v1.Model) -> dict[str, Any]:
    """`created` is required in this dialect, and not known."""
    return {"id": name, "object": "model", "created": 0, "owned_by": model.provider}
