"""The HTTP listener: the services of the frontends, probes and metrics. Probes call no upstream."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import uuid
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from google.rpc import code_pb2
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from dragoman_service.contract import CompletionError
from dragoman_service.settings.errors import Mistake, SettingsError
from dragoman_service.settings.types import Address
from dragoman_service.transport.descriptors import max_connections
from dragoman_service.transport.http.connection import HEAD_TIMEOUT, Runner
from dragoman_service.transport.http.guard import HttpGuard, HttpService
from dragoman_service.transport.http.host import Hosts
from dragoman_service.transport.protocol_log import ProtocolLog

KEEPALIVE = 620.0  # seconds that an idle connection stays open: longer than the proxies in front of it keep theirs
FOREIGN_HOST = (
    "This service has no API keys, so it answers only requests whose Host header names this machine, as in localhost. "
    "Call it under such a name, add keys, or set access.anonymous = true."
)
STOP_GRACE = 0.1  # seconds; a drain has waited for the calls already

_PARAMETER = re.compile(r"(\{[^{}]*\})")  # of a path in aiohttp's notation
Readiness = Callable[[], str]
"""Returns the reason why the service is not ready, or an empty string if it is."""
Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _tolerant(path: str) -> str:
    """`path` with any number of slashes in place of each, and at its end: programs join addresses naively."""
    number = itertools.count()
    pieces = (
        piece if piece.startswith("{") else re.sub("/", lambda _: f"{{_{next(number)}:/+}}", piece)
        for piece in _PARAMETER.split(path.removeprefix("/"))
    )
    return "/{_first:/*}" + "".join(pieces) + "{_last:/*}"


class HttpServer:
    """Serves `/livez`, `/readyz`, `/metrics`, probes added with `probe`, and the services added with `serve`.

    With `share_port` other processes may listen on the same port. `head_timeout` limits how long a request head may
    take, in seconds. `limit` is the number of connections (default: a share of the descriptors). Requests
    must name one of `hosts` (default: any).
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
    ) -> None:
        self._address = address
        self._share_port = share_port
        self._registry = registry
        self._guard = guard
        self._hosts = hosts
        self._services: list[HttpService] = []
        self._probes = {"/livez", "/metrics"}
        self.app = web.Application(middlewares=[self._unrouted])
        self.app.router.add_get("/livez", self._live)
        self.probe("/readyz", readiness)
        self.app.router.add_get("/metrics", self._metrics)
        self._runner = Runner(
            self.app,
            limit or max_connections(),
            access_log=None,
            logger=ProtocolLog(),
            handler_cancellation=True,
            keepalive_timeout=KEEPALIVE,
            shutdown_timeout=STOP_GRACE,
            head_timeout=head_timeout,
        )

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
        for method in service.methods:
            handler = self._guard.handler(service, method)
            for path in (method.path, _tolerant(method.path)):
                for verb in (method.verb, "HEAD") if method.verb == "GET" else (method.verb,):
                    self.app.router.add_route(verb, path, handler)

    @property
    def services(self) -> tuple[HttpService, ...]:
        """The services added with `serve`."""
        return tuple(self._services)

    @property
    def listening(self) -> bool:
        """Whether connections are accepted now."""
        return bool(self._runner.addresses)

    async def start(self) -> Address:
        """Starts to listen and returns the address. Raises SettingsError if it cannot listen there."""
        await self._runner.setup()
        address = self._address
        try:
            await self._site(address).start()
        except OSError as error:
            mistake = Mistake("server.http", f"cannot listen on {address}: {error.strerror or error}")
            raise SettingsError([mistake]) from None
        return Address(address.host, self._runner.addresses[0][1])

    def _site(self, address: Address) -> web.BaseSite:
        if not address.all_families:
            return web.TCPSite(self._runner, address.host, address.port, reuse_port=self._share_port or None)
        listener = socket.create_server(  # asyncio would accept IPv6 only, whereas gRPC accepts both
            (address.host, address.port),
            family=socket.AF_INET6,
            reuse_port=self._share_port,
            dualstack_ipv6=True,
        )
        listener.setblocking(False)
        return web.SockSite(self._runner, listener)

    async def close_listener(self) -> None:
        """Accepts no further connections."""
        for site in tuple(self._runner.sites):
            await site.stop()

    async def stop(self) -> None:
        """Closes the listener and all connections."""
        await self._runner.cleanup()

    @web.middleware
    async def _unrouted(self, request: web.Request, handler: Handle) -> web.StreamResponse:
        """Answers requests that match no route: CORS preflights, unknown paths, unknown HTTP methods. Refuses all but
        probes on connections beyond the limit."""
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
        self._guard.telemetry.unknown_method()
        name = {403: "PERMISSION_DENIED", 404: "NOT_FOUND"}.get(status, "UNIMPLEMENTED")
        always = {"x-request-id": uuid.uuid4().hex, **self._guard.cors.headers(request)}
        body = {"error": {"code": status, "status": name, "message": message}}
        return web.json_response(body, status=status, headers={**always, **(headers or {})})

    def _refused(self, request: web.Request) -> web.Response:
        message = "Too many connections are open. Try again later."
        body = {"error": {"code": 503, "status": "UNAVAILABLE", "message": message}}
        headers = {"x-request-id": uuid.uuid4().hex, "retry-after": "1", **self._guard.cors.headers(request)}
        response = web.json_response(body, status=503, headers=headers)
        response.force_close()
        return response

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        try:
            self._guard.check_metrics(request)
        except CompletionError as error:
            status = 403 if error.code == code_pb2.PERMISSION_DENIED else 401
            name = code_pb2.Code.Name(error.code)
            return web.json_response(
                {"error": {"code": status, "status": name, "message": error.message}}, status=status
            )
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # In a thread, because reading and adding up the series of many workers takes a while.
        body = await asyncio.to_thread(encode, self._registry)
        return web.Response(body=body, headers={"Content-Type": content_type})
