"""Finds the models that resource names stand for."""

from __future__ import annotations

from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import CompletionError
from dragoman_service.dialects.google.names import model_names
from dragoman_service.engine.engine import Engine


def resolve(engine: Engine, resource: str, caller: str) -> tuple[str, Target]:
    """The first name of a resource name that a model has, and that model. Raises the errors of `Engine.resolve`."""
    missing: CompletionError | None = None
    for name in model_names(resource):
        try:
            return name, engine.resolve(name, caller)
        except CompletionError as error:
            if error.reason != v1.ERROR_REASON_MODEL_NOT_FOUND:
                raise
            missing = missing or error
    raise missing or LookupError(resource)
