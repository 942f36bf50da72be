"""The HTTP listener: the services of the frontends, probes and metrics. Probes call no upstream."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from aiohttp.web_urldispatcher import UrlMappingMatchInfo
from prometheus_client import CollectorRegistry

from dragoman_service.settings.types import Address
from dragoman_service.transport.descriptors import max_connections
from dragoman_service.transport.http.connection import HEAD_TIMEOUT
from dragoman_service.transport.http.guard import HttpGuard, HttpService
from dragoman_service.transport.http.host import Hosts
from dragoman_service.transport.http.listener import Listener
from dragoman_service.transport.http.metrics import MAX_CONNECTIONS, PATH, metrics_page
from dragoman_service.transport.http.page import Page

FOREIGN_HOST = (
    "This service has no API keys, so it answers only requests whose Host header names this machine, as in localhost. "
    "Call it under such a name, add keys, or set access.anonymous = true."
)

_BEGAN = web.RequestKey("began", float)  # when the request arrived, by `time.perf_counter`
_SLASHES = re.compile("//+")
Readiness = Callable[[], str]
"""Returns the reason why the service is not ready, or an empty string if it is."""
Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Selective(web.DynamicResource):
    """A path that only requests with one of `headers` match."""

    def __init__(self, path: str, headers: tuple[str, ...]) -> None:
        super().__init__(path)
        self._headers = headers

    def raw_match(self, path: str) -> bool:
        """No route without `headers` is added to it."""
        return False

    async def resolve(self, request: web.Request) -> tuple[UrlMappingMatchInfo | None, set[str]]:
        if not any(name in request.headers for name in self._headers):
            return None, set()
        return await super().resolve(request)


class _Tolerant(web.DynamicResource):
    """Paths with more slashes than a route has, in place of each and at the end: programs join addresses naively.

    They are looked up once more with single slashes, because patterns for all of them would take a tenth of a start.
    """

    def __init__(self, router: web.UrlDispatcher) -> None:
        super().__init__("/{path:.*}")
        self._router = router
        self._resources = set[web.AbstractResource | None]()

    def add(self, route: web.AbstractRoute) -> None:
        """Lets requests reach the resource of a route."""
        self._resources.add(route.resource)

    async def resolve(self, request: web.Request) -> tuple[UrlMappingMatchInfo | None, set[str]]:
        plain = _SLASHES.sub("/", request.rel_url.raw_path).rstrip("/") or "/"
        if plain == request.rel_url.raw_path:
            return None, set()
        url = request.rel_url.with_path(plain, encoded=True, keep_query=True)
        found = await self._router.resolve(request.clone(rel_url=url))
        if isinstance(found.http_exception, web.HTTPMethodNotAllowed):
            return None, found.http_exception.allowed_methods
        return (found if found.route.resource in self._resources else None), set()


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
        self.app = web.Application(middlewares=[self._unrouted])
        self.app.router.add_get("/livez", self._live)
        self.probe("/readyz", readiness)
        page = self.app if metrics is None else web.Application(middlewares=[self._unrouted])
        page.router.add_get(PATH, metrics_page(registry, guard.check_metrics))
        self._main = Listener("server.http", address, self.app, limit or max_connections(), head_timeout)
        self._listeners = [self._main]
        if metrics is not None:
            self._listeners.append(Listener("server.metrics", metrics, page, MAX_CONNECTIONS, head_timeout))

    def probe(self, path: str, readiness: Readiness) -> None:
        """Adds a probe, which is 200 or, if there is a reason, 503. Call it before `start`."""

        async def answer(_: web.Request) -> web.Response:
            reason = readiness()
            return web.Response(text=f"{reason or 'ok'}\n", status=503 if reason else 200)

        self._probes.add(path)
        self.app.router.add_get(path, answer)

    def serve(self, service: HttpService) -> None:
        """Adds a service. Call it before `start`."""
        self._services.append(service)

    def serve_page(self, path: str, page: Page) -> None:
        """Adds a page for browsers at `path`. It needs no key, because it holds nothing. Call it before `start`."""
        page.add_to(self.app, path)

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
        tolerant = _Tolerant(self.app.router)
        methods = [(service, method) for service in self._services for method in service.methods]
        for service, method in sorted(methods, key=lambda each: not each[1].headers):
            handler = self._guard.handler(service, method)
            for verb in (method.verb, "HEAD") if method.verb == "GET" else (method.verb,):
                if method.headers:
                    resource = _Selective(method.path, method.headers)
                    self.app.router.register_resource(resource)
                    tolerant.add(resource.add_route(verb, handler))
                else:
                    tolerant.add(self.app.router.add_route(verb, method.path, handler))
        self.app.router.register_resource(tolerant)

    @web.middleware
    async def _unrouted(self, request: web.Request, handler: Handle) -> web.StreamResponse:
        """Answers requests that match no route: CORS preflights, unknown paths, unknown HTTP methods. Refuses all but
        probes on connections beyond the limit."""
        request[_BEGAN] = time.perf_counter()
        if request.path not in self._probes and getattr(request.protocol, "reserved", False):
            return self._refused(request)
        if self._hosts is not None and not self._hosts.accepts(request.headers.get("Host", "")):
            return self._unknown(request, 403, FOREIGN_HOST)
        try:
            return await handler(request)
        except web.HTTPMethodNotAllowed as wrong:
            methods = ", ".join(sorted(wrong.allowed_methods))
            preflight = self._guard.cors.preflight(request, methods)
            return preflight or self._unknown(
                request, 405, f"{request.path} supports only {methods}.", {"allow": methods}
            )
        except web.HTTPNotFound:
            return self._unknown(request, 404, f"Nothing is served at {request.path[:256]}. Check the base URL.")

    def _unknown(
        self, request: web.Request, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        self._guard.telemetry.unmatched(request.method, status, time.perf_counter() - request[_BEGAN])
        name = {403: "PERMISSION_DENIED", 404: "NOT_FOUND"}.get(status, "UNIMPLEMENTED")
        always = {"x-request-id": uuid.uuid4().hex, **self._guard.cors.headers(request)}
        body = {"error": {"code": status, "status": name, "message": message}}
        return web.json_response(body, status=status, headers={**always, **(headers or {})})

    def _refused(self, request: web.Request) -> web.Response:
        self._guard.telemetry.unmatched(request.method, 503, time.perf_counter() - request[_BEGAN])
        message = "Too many connections are open. Try again later."
        body = {"error": {"code": 503, "status": "UNAVAILABLE", "message": message}}
        headers = {"x-request-id": uuid.uuid4().hex, "retry-after": "1", **self._guard.cors.headers(request)}
        response = web.json_response(body, status=503, headers=headers)
        response.force_close()
        return response

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")
