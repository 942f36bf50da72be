"""The HTTP listener: the services of the frontends, probes and metrics. Probes call no upstream."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from prometheus_client import CollectorRegistry

from dragoman_service.settings.types import Address
from dragoman_service.transport.call_context import new_call_id
from dragoman_service.transport.descriptors import max_connections
from dragoman_service.transport.http.connection import HEAD_TIMEOUT
from dragoman_service.transport.http.guard import HttpGuard, HttpService
from dragoman_service.transport.http.host import Hosts
from dragoman_service.transport.http.http1.request import Request
from dragoman_service.transport.http.http1.response import Response, json_response, text_response
from dragoman_service.transport.http.listener import Listener
from dragoman_service.transport.http.metrics import MAX_CONNECTIONS, PATH, metrics_page
from dragoman_service.transport.http.page import Page
from dragoman_service.transport.http.routes import NotServedError, Routes

FOREIGN_HOST = (
    "This service has no API keys, so it answers only requests whose Host header names this machine, as in localhost. "
    "Call it under such a name, add keys, or set access.anonymous = true."
)

_NAMES = {403: "PERMISSION_DENIED", 404: "NOT_FOUND", 503: "UNAVAILABLE"}
_CONTINUE = "100-continue"
Readiness = Callable[[], str]
"""Returns the reason why the service is not ready, or an empty string if it is."""


class HttpServer:
    """Serves `/livez`, `/readyz`, `/metrics`, probes added with `probe`, and the services added with `serve`.

    With `share_port` other processes may listen on the same port. `head_timeout` limits how long a request head may
    take, in seconds. `limit` is the number of connections (default: a share of the descriptors). Requests
    must name one of `hosts` (default: any). `metrics` is an address at which `/metrics` alone is served, and then it is
    not served at `address`.
    """

    def __init__(
        self,
        address: Address,
        readiness: Readiness,
        registry: CollectorRegistry,
        guard: HttpGuard,
        *,
        share_port: bool = False,
        head_timeout: float = HEAD_TIMEOUT,
        limit: int | None = None,
        hosts: Hosts | None = None,
        metrics: Address | None = None,
    ) -> None:
        self._share_port = share_port
        self._guard = guard
        self._hosts = hosts
        self._services: list[HttpService] = []
        self._probes = {"/livez", PATH}
        self.routes = Routes()
        self.routes.get("/livez", self._live)
        self.probe("/readyz", readiness)
        page = self.routes if metrics is None else Routes()
        page.get(PATH, metrics_page(registry, guard.check_metrics))
        serve = partial(self._serve, self.routes)
        self._main = Listener("server.http", address, serve, limit or max_connections(), head_timeout)
        self._listeners = [self._main]
        if metrics is not None:
            serve = partial(self._serve, page)
            self._listeners.append(Listener("server.metrics", metrics, serve, MAX_CONNECTIONS, head_timeout))

    def probe(self, path: str, readiness: Readiness) -> None:
        """Adds a probe, which is 200 or, if there is a reason, 503. Call it before `start`."""

        async def answer(_: Request) -> Response:
            reason = readiness()
            return text_response(f"{reason or 'ok'}\n", 503 if reason else 200)

        self._probes.add(path)
        self.routes.get(path, answer)

    def serve(self, service: HttpService) -> None:
        """Adds a service. Call it before `start`."""
        self._services.append(service)

    def serve_page(self, path: str, page: Page) -> None:
        """Adds a page for browsers at `path`. It needs no key, because it holds nothing. Call it before `start`."""
        page.add_to(self.routes, path)

    @property
    def services(self) -> tuple[HttpService, ...]:
        """The services added with `serve`."""
        return tuple(self._services)

    @property
    def listening(self) -> bool:
        """Whether connections are accepted now."""
        return self._main.listening

    @property
    def metrics_address(self) -> Address:
        """Where `/metrics` is served, once it is."""
        return self._listeners[-1].bound

    async def start(self) -> Address:
        """Starts to listen and returns the address. Raises SettingsError if it cannot listen there."""
        self._add_routes()
        for listener in self._listeners:
            await listener.start(share_port=self._share_port)
        return self._main.bound

    async def close_listener(self) -> None:
        """Accepts no further connections."""
        await self._main.close()

    async def stop(self) -> None:
        """Closes the listeners and all connections."""
        for listener in self._listeners:
            await listener.stop()

    def _add_routes(self) -> None:
        """The first route that matches a request gets it, so those that look at headers come first."""
        methods = [(service, method) for service in self._services for method in service.methods]
        for service, method in sorted(methods, key=lambda each: not each[1].headers):
            handler = self._guard.handler(service, method)
            for verb in (method.verb, "HEAD") if method.verb == "GET" else (method.verb,):
                self.routes.add(verb, method.path, handler, method.headers, tolerant=True)

    async def _serve(self, routes: Routes, request: Request) -> Response | None:
        """Finds the handler. Answers requests that match no route: CORS preflights, unknown paths, unknown methods.
        Refuses all but probes on connections beyond the limit."""
        began = time.perf_counter()
        if request.line.reserved and request.path not in self._probes:
            message = "Too many connections are open. Try again later."
            return self._error(request, began, 503, message, {"retry-after": "1"}, closes=True)
        if self._hosts is not None and not self._hosts.accepts(request.headers.get("host", "")):
            return self._error(request, began, 403, FOREIGN_HOST)
        handler, allowed = routes.find(request)
        if handler is not None:
            if request.http11 and request.headers.get("expect", _CONTINUE).lower() != _CONTINUE:
                return self._error(request, began, 417, "The only expectation that is met is 100-continue.")
            with suppress(NotServedError):
                return await handler(request)
        elif allowed:
            methods = ", ".join(sorted(allowed))
            preflight = self._guard.cors.preflight(request, methods)
            message = f"{request.path} supports only {methods}."
            return preflight or self._error(request, began, 405, message, {"allow": methods})
        message = f"Nothing is served at {request.path[:256]}. Check the base URL."
        return self._error(request, began, 404, message)

    def _error(
        self,
        request: Request,
        began: float,
        status: int,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        closes: bool = False,
    ) -> Response:
        self._guard.telemetry.unmatched(request.method, status, time.perf_counter() - began)
        always = {"x-request-id": new_call_id(), **self._guard.cors.headers(request)}
        body = {"error": {"code": status, "status": _NAMES.get(status, "UNIMPLEMENTED"), "message": message}}
        return json_response(body, status, {**always, **(headers or {})}, closes=closes)

    async def _live(self, _: Request) -> Response:
        return text_response("ok\n")
