"""The native API over HTTP: `POST /SERVICE/METHOD` in JSON or in binary, as Connect's clients call it, and curl."""

from __future__ import annotations

from dragoman_service.dialects.connect.errors import encode_error
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.http import HttpService, Method
from dragoman_service.frontends.http.event_stream import KEEP_ALIVE
from dragoman_service.frontends.methods.table import native_services
from dragoman_service.frontends.native_http.calls import Stream, Unary
from dragoman_service.frontends.native_http.headers import CONTENT_TYPES, error_encoder, timeout_of


def mount(context: FrontendContext) -> None:
    """Adds a route for each method to the HTTP listener."""
    context.http.serve(native_http(context))


def native_http(context: FrontendContext, *, keep_alive: float = KEEP_ALIVE) -> HttpService:
    """All methods. Streams are silent for at most `keep_alive` seconds, if their form has a sign of life."""
    patient, usual = native_services(context, attach_idle=None), native_services(context)
    methods = []
    for service, same in zip(patient, usual, strict=True):
        for method, quiet in zip(service.methods, same.methods, strict=True):
            path, name = f"/{service.descriptor.full_name}/{method.name}", method.name
            if method.streams:
                serve = Stream(method, quiet, keep_alive).serve
                methods.append(Method("POST", path, name, serve, streams=True, error_encoder=error_encoder))
            else:
                methods.append(Method("POST", path, name, Unary(method).serve))
    return HttpService("native_http", encode_error, tuple(methods), content_types=CONTENT_TYPES, timeout_of=timeout_of)
