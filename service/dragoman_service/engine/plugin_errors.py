"""Where a plugin's code ends: whatever it raises becomes a CompletionError, and its text stays in our log."""

from __future__ import annotations

import structlog
from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError
from dragoman_service.engine.catalogue import Target

log = structlog.get_logger(__name__)


def provider_error(target: Target, fault: Exception) -> CompletionError:
    """The error to raise for `fault`, which the target's provider raised: its own with the model's name, or
    PLUGIN_FAILED if it is not the error of a completion."""
    model, provider = target.model.name, target.model.provider
    error = CompletionError.of(fault)
    if error is None:
        log.error("plugin.failed", provider=provider, model=model, exc_info=fault)
        error = CompletionError(
            code_pb2.INTERNAL,
            v1.ERROR_REASON_PLUGIN_FAILED,
            f"The provider {provider!r} failed in a way that it must not. The server's log tells more.",
        )
    return error.with_metadata(model=model, provider=provider)
