"""The errors of providers: whatever one raises becomes a CompletionError, and its text stays in our log."""

from __future__ import annotations

from dataclasses import replace

import structlog
from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.boundary import PROVIDER_REASONS, loggable, read_error
from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import CompletionError

log = structlog.get_logger(__name__)


def provider_error(target: Target, fault: BaseException) -> CompletionError:
    """The error to raise for `fault`, which the target's provider raised.

    It is the provider's own error with the names of the model and the provider, or PLUGIN_FAILED for anything that a
    provider must not raise.
    """
    model, provider = target.model.name, target.model.provider
    error, why = read_error(fault, PROVIDER_REASONS)
    if error is None:
        log.error("plugin.failed", provider=provider, model=model, reason=why, exc_info=loggable(fault))
        error = CompletionError(
            code_pb2.INTERNAL,
            v1.ERROR_REASON_PLUGIN_FAILED,
            f"The provider {provider!r} failed because of an error in its code. The server's log shows the error.",
        )
    elif why:
        log.warning("plugin.error_corrected", provider=provider, model=model, reason=why)
    return replace(error, metadata={**error.metadata, "model": model, "provider": provider})
