"""The models that a caller may use, as OpenAI lists its own."""

from __future__ import annotations

from typing import Any

import orjson
from dragoman import v1

from dragoman_service.engine.engine import Engine
from dragoman_service.transport.http.call import HttpCall


class Models:
    """Shows the catalogue under the names that the caller may send as `model`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list(self, call: HttpCall) -> None:
        call.accept()
        models = [_model(name, model) for name, model in self._engine.names(call.context.caller)]
        await call.reply(orjson.dumps({"object": "list", "data": models}))

    async def get(self, call: HttpCall) -> None:
        """One model by its name or an alias, which may contain slashes."""
        name = call.request.found["id"].rstrip("/")
        target = self._engine.resolve(name, call.context.caller)
        call.accept()
        await call.reply(orjson.dumps(_model(name, target.model)))


def _model(name: str, model: v1.Model) -> dict[str, Any]:
    """`created` is 0, because OpenAI's clients require the key and the time is unknown."""
    return {"id": name, "object": "model", "created": 0, "owned_by": model.provider}
