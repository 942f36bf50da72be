"""Programs in web pages: which pages may call, where the settings say so at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

ANY = "*"
MAX_AGE = 600  # seconds that a browser need not ask again
SHOWN = "x-request-id, retry-after"  # what a page may read beside the answer


class Cors:
    """Cross-origin calls from the pages of `origins`, as in `https://example.com`; `*` is all, none is off."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)

    def headers(self, request: web.Request) -> Mapping[str, str]:
        """What any answer to `request` has to carry."""
        origin = request.headers.get("Origin")
        if origin is None or not self._origins:
            return {}
        if ANY not in self._origins and origin not in self._origins:
            return {"vary": "Origin"}
        return {"access-control-allow-origin": origin, "access-control-expose-headers": SHOWN, "vary": "Origin"}

    def preflight(self, request: web.Request, methods: str) -> web.Response | None:
        """The answer to a browser that asks whether it may use one of `methods`; None: nobody asks, or it may not."""
        allowed = self.headers(request)
        if request.method != "OPTIONS" or "access-control-allow-origin" not in allowed:
            return None
        asked = request.headers.get("Access-Control-Request-Headers", "")
        more = {
            "access-control-allow-methods": methods,
            "access-control-allow-headers": asked,
            "access-control-max-age": str(MAX_AGE),
        }
        return web.Response(status=204, headers={**allowed, **more})
