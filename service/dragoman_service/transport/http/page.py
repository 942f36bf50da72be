"""A page for browsers: files that never change while the service runs, below a path of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from dragoman_service.transport.http.http1.request import Request
from dragoman_service.transport.http.http1.response import Response
from dragoman_service.transport.http.routes import NotServedError, Routes

VERSION = b"{version}"
"""In the index: stands for the version, the folder that the other files are in."""
_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# Nothing from elsewhere, nothing inline: text of a model can never become code.
_SAFE = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
_KEEP, _ASK = "public, max-age=31536000, immutable", "no-cache"


class Page:
    """`index` is served at the path itself, `files` by their names below the version.

    All its URLs are relative, so that it works below any path of a proxy. Browsers keep the files for ever, because
    other files have another version.
    """

    def __init__(self, index: bytes, files: Mapping[str, bytes]) -> None:
        self._files = files
        contents = hashlib.sha256(index + b"".join(name.encode() + body for name, body in sorted(files.items())))
        self.version = contents.hexdigest()[:12]
        self._index = index.replace(VERSION, self.version.encode())

    def add_to(self, routes: Routes, path: str) -> None:
        """Adds the routes."""
        routes.get(path, self._folder)
        routes.get(f"{path}/", self._first)
        routes.get(f"{path}/{{version:[0-9a-f]{{12}}}}/{{name:.+}}", self._file)

    async def _folder(self, request: Request) -> Response:
        """Relative URLs need the slash."""
        last = request.path.rpartition("/")[2]
        return Response(308, headers={"location": f"{last}/", **_SAFE})

    async def _first(self, request: Request) -> Response:
        return self._answer(request, self._index, "index.html", _ASK)

    async def _file(self, request: Request) -> Response:
        """A file of this version. A page of another version, which a server had that is gone, gets it too."""
        name = request.found["name"]
        if name not in self._files:
            raise NotServedError
        keep = _KEEP if request.found["version"] == self.version else _ASK
        return self._answer(request, self._files[name], name, keep)

    def _answer(self, request: Request, body: bytes, name: str, keep: str) -> Response:
        tag = f'"{self.version}"'
        headers = {"etag": tag, "cache-control": keep, **_SAFE}
        if request.headers.get("if-none-match") == tag:
            return Response(304, headers=headers)
        return Response(body=body, headers={"content-type": _TYPES[name.rpartition(".")[2]], **headers})
