"""The console: a page for people, which calls the native API as JSON over HTTP."""

from __future__ import annotations

from dragoman_service.frontends.console.files import read_page
from dragoman_service.frontends.context import FrontendContext


def mount(context: FrontendContext) -> None:
    """Adds the page to the HTTP listener, if the settings want it."""
    if context.console:
        context.http.serve_page(context.console, read_page())
