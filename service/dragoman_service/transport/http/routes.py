"""Which handler a request gets, by its path, its HTTP method and its headers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from dragoman_service.transport.http.http1.request import Request
from dragoman_service.transport.http.http1.response import Response
from dragoman_service.transport.http.http1.target import plain

Handler = Callable[[Request], Awaitable[Response | None]]
"""Returns the response, or None if it has been sent."""
_PARAMETER = re.compile(r"\{(?P<name>[A-Za-z_]\w*)(?::(?P<pattern>(?:[^{}]|\{[^{}]*\})+))?\}")
_SLASHES = re.compile("//+")


class NotServedError(Exception):
    """A handler has nothing at the path of its request."""


@dataclass(slots=True)
class _Resource:
    """A path, with a pattern if it has parameters. With `headers` only requests that have one of them match."""

    path: str
    pattern: re.Pattern[str] | None
    headers: tuple[str, ...]
    tolerant: bool
    handlers: dict[str, Handler] = field(default_factory=dict)

    def match(self, path: str, request: Request) -> dict[str, str] | None:
        """The parameters; None if it does not match."""
        if self.headers and not any(name in request.headers for name in self.headers):
            return None
        if self.pattern is None:
            return {} if path == self.path else None
        found = self.pattern.fullmatch(path)
        return None if found is None else {name: plain(value) for name, value in found.groupdict().items()}


class Routes:
    """Looks paths up by their fixed beginning, the longest first. Of several that match the first one added counts."""

    def __init__(self) -> None:
        self._resources: dict[str, list[_Resource]] = {}

    def add(
        self, verb: str, path: str, handler: Handler, headers: tuple[str, ...] = (), *, tolerant: bool = False
    ) -> None:
        """Adds a route. `path` has parameters in braces: `{id}` is one part of a path, `{id:.+}` has a pattern.

        `tolerant`: the path may have more slashes, in place of each and at the end, because programs join addresses
        naively. With `headers` the route is for requests that have one of them.
        """
        fixed = path.partition("{")[0].rpartition("/")[0] if "{" in path else path
        resources = self._resources.setdefault(fixed.rstrip("/") or "/", [])
        same = (each for each in resources if (each.path, each.headers, each.tolerant) == (path, headers, tolerant))
        resource = next(same, None)
        if resource is None:
            resource = _Resource(path, _pattern_of(path), headers, tolerant)
            resources.append(resource)
        resource.handlers.setdefault(verb, handler)

    def get(self, path: str, handler: Handler) -> None:
        """Adds a route for GET and HEAD."""
        self.add("GET", path, handler)
        self.add("HEAD", path, handler)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """The HTTP method and the path of each route."""
        return ((verb, each.path) for found in self._resources.values() for each in found for verb in each.handlers)

    def find(self, request: Request) -> tuple[Handler | None, set[str]]:
        """The handler, whose parameters `request.found` has then; if there is none, the methods that the path has."""
        handler, allowed = self._lookup(request, request.route, tolerant=False)
        if handler is None:
            squeezed = _SLASHES.sub("/", request.route).rstrip("/") or "/"
            if squeezed != request.route:
                handler, more = self._lookup(request, squeezed, tolerant=True)
                allowed |= more
        return handler, allowed

    def _lookup(self, request: Request, path: str, *, tolerant: bool) -> tuple[Handler | None, set[str]]:
        allowed = set[str]()
        fixed = path
        while fixed:
            for resource in self._resources.get(fixed, ()):
                if (found := resource.match(path, request)) is None:
                    continue
                if (handler := resource.handlers.get(request.method)) is not None:
                    if tolerant and not resource.tolerant:
                        return None, set()
                    request.found = found
                    return handler, set()
                allowed.update(resource.handlers)
            fixed = "" if fixed == "/" else fixed.rpartition("/")[0] or "/"
        return None, allowed


def _pattern_of(path: str) -> re.Pattern[str] | None:
    if "{" not in path:
        return None
    pattern, at = "", 0
    for found in _PARAMETER.finditer(path):
        pattern += re.escape(path[at : found.start()]) + f"(?P<{found['name']}>{found['pattern'] or '[^{}/]+'})"
        at = found.end()
    return re.compile(pattern + re.escape(path[at:]))
