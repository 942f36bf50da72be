"""Gemini: the Gemini API and Vertex AI's generateContent, over REST."""

from __future__ import annotations

from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.google.gemini.rest import Rest


def mount(context: FrontendContext) -> None:
    """Adds the room's services to the listeners."""
    context.http.serve(Rest(context).service())
