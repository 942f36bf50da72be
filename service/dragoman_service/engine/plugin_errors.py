"""Where a plugin's code ends: whatever it raises becomes a CompletionError, and its text stays in our log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError
from dragoman_service.engine.catalogue import Target

log = structlog.get_logger(__name__)


@contextmanager
def translate_errors(target: Target) -> Iterator[None]:
    """Names the model in errors of its provider, and turns anything else that it raises into PLUGIN_FAILED."""
    model, provider = target.model.name, target.model.provider
    try:
        yield
    except Exception as fault:  # the boundary to foreign code
        error = CompletionError.of(fault)
        if error is None:
            log.exception("plugin.failed", provider=provider, model=model)
            error = CompletionError(
                code_pb2.INTERNAL,
                v1.ERROR_REASON_PLUGIN_FAILED,
                f"The provider {provider!r} failed in a way that it must not. The server's log tells more.",
            )
        raise error.with_metadata(model=model, provider=provider) from fault
