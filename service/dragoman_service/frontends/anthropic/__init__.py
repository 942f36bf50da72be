"""Anthropic's Messages API over HTTP: messages, counts of their tokens, models."""

from __future__ import annotations

from dragoman_service.frontends.anthropic.rest import Rest
from dragoman_service.frontends.context import FrontendContext


def mount(context: FrontendContext) -> None:
    """Adds the routes to the HTTP listener."""
    context.http.serve(Rest(context).service())
