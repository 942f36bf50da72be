"""The boundary to plugins: whatever a provider raises becomes a CompletionError, and its text stays in our log."""

from __future__ import annotations

import structlog
from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError
from dragoman_service.engine.catalogue import Target

log = structlog.get_logger(__name__)


def provider_error(target: Target, fault: Exception) -> CompletionError:
    """The error to raise for `fault`, which the target's provider raised.

    It is the provider's own error with the model's name added, or PLUGIN_FAILED for any other exception.
    """
    model, provider = target.model.name, target.model.provider
    error = CompletionError.of(fault)
    if error is None:
        log.error("plugin.failed", provider=provider, model=model, exc_info=fault)
        error = CompletionError(
            code_pb2.INTERNAL,
            v1.ERROR_REASON_PLUGIN_FAILED,
            f"The provider {provider!r} failed because of an error in its code. The server's log shows the error.",
        )
    return error.with_metadata(model=model, provider=provider)
