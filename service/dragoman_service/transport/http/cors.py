"""CORS: which web pages may call, if the settings allow any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dragoman_service.transport.http.http1.request import Request
from dragoman_service.transport.http.http1.response import Response

ANY = "*"
MAX_AGE = 600  # seconds for which a browser may cache a preflight response
_OURS = "x-request-id, x-dragoman-warning, x-dragoman-attempts, x-dragoman-provider"
_LIMITS = ", ".join(
    (
        *(f"x-ratelimit-{what}-{unit}" for what in ("limit", "remaining", "reset") for unit in ("requests", "tokens")),
        "ratelimit-policy",
        "ratelimit",
    )
)
EXPOSED = f"{_OURS}, x-should-retry, retry-after, grpc-retry-pushback-ms, {_LIMITS}"
"""Response headers that a page may read."""


class Cors:
    """Allows cross-origin calls from pages of `origins`, such as `https://example.com`. `*` is all, none is off."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)

    def headers(self, request: Request) -> Mapping[str, str]:
        """Returns the headers that every response to `request` needs."""
        origin = request.headers.get("origin")
        if origin is None or not self._origins:
            return {}
        if ANY not in self._origins and origin not in self._origins:
            return {"vary": "Origin"}
        return {"access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED, "vary": "Origin"}

    def preflight(self, request: Request, methods: str) -> Response | None:
        """Returns the response to a preflight request for one of `methods`; None if it is none, or not allowed."""
        allowed = self.headers(request)
        if request.method != "OPTIONS" or "access-control-allow-origin" not in allowed:
            return None
        requested = request.headers.get("access-control-request-headers", "")
        more = {
            "access-control-allow-methods": methods,
            "access-control-allow-headers": requested,
            "access-control-max-age": str(MAX_AGE),
        }
        return Response(204, headers={**allowed, **more})
