"""The settings of what people see of the service: the console, the log, metrics and traces."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dragoman_service.settings.strings import matches
from dragoman_service.settings.types import Section


class ConsoleSettings(Section):
    """A page for people on the HTTP listener, at `path`."""

    enabled: bool | None = None
    """Default: on a loopback address."""
    path: Annotated[str, matches(r"(/[A-Za-z0-9._~-]+)+", "a path such as '/console'")] = "/console"


class LogSettings(Section):
    """The level and format of the log on stderr. `auto` is `console` on a terminal, otherwise `json`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class OtlpSettings(Section):
    """The collector of traces, which takes OTLP over HTTP. Without an `endpoint` there are no traces."""

    endpoint: Annotated[str, matches(r"https?://[^\s?#]+", "a URL such as 'http://127.0.0.1:4318'")] | None = None
    traces: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The part of the calls that is traced, of those whose callers do not say. Failures are traced always."""


class TelemetrySettings(Section):
    """Names of metrics, and where traces are sent."""

    semconv: Literal["old", "both", "0.1"] = "both"
    """The version of OpenTelemetry's GenAI conventions by which metrics of models are named."""
    otlp: OtlpSettings = OtlpSettings()
