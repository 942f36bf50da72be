"""Which server takes the calls of gRPC: what the settings say, and what this machine has."""

from __future__ import annotations

from typing import Literal

import structlog

from dragoman_service.settings.errors import Mistake, SettingsError

Transport = Literal["grpcio", "native"]
AUTO: Transport = "native"
"""What `auto` stands for, where it can be had."""
INSTALL = "install dragoman-http2 (docs/transport.md), or choose grpcio"

log = structlog.get_logger(__name__)


def chosen_transport(wanted: str) -> Transport:
    """What `server.transport` stands for here. With `auto` it falls back on grpcio, and the log tells it.

    Raises SettingsError if the native one is wanted and its extension cannot be loaded.
    """
    if wanted == "grpcio" or (wanted == "auto" and AUTO == "grpcio"):
        return "grpcio"
    missing = why_no_extension()
    if not missing:
        return "native"
    if wanted == "native":
        raise SettingsError([Mistake("server.transport", f'is "native", but {missing}: {INSTALL}')])
    log.info("grpc.transport_missing", reason=missing, used="grpcio", hint=INSTALL)
    return "grpcio"


def why_no_extension() -> str:
    """Why the native transport cannot be used here; empty if it can."""
    try:
        import dragoman_http2  # noqa: F401 - an extension that not every machine has
    except ImportError as error:
        return f"its extension cannot be loaded ({error})"
    return ""
