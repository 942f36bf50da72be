"""From a request to the bytes of its head."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, unquote

_TARGET = re.compile(r"[A-Za-z0-9/?:@!$&'()*+,;=._~%-]+")
_SAFE = "/?:@!$&'()*+,;=._~%-"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BREAKS = re.compile(r"[\r\n\0]")
_PORTS = {"http": 80, "https": 443}


class Requests:
    """Heads of requests to the upstream at `base`, all with `headers`, whose names are compared without case.

    A user name and a password in `base` become an `authorization`, unless `headers` has one. `absolute`: the request
    line names the scheme and the host, as a proxy needs it.
    """

    def __init__(self, base: SplitResult, headers: Mapping[str, str], *, absolute: bool = False) -> None:
        authorization = basic(base)
        fixed = {"host": host_of(base)} | ({"authorization": authorization} if authorization else {})
        self._fixed = fixed | {name.lower(): value for name, value in headers.items()}
        self._lines = _lines(self._fixed)
        self._last: dict[str, str] = {}
        self._last_lines = self._lines
        self._prefix = target_of(base.path.rstrip("/")) if base.path.rstrip("/") else ""
        if absolute:
            self._prefix = f"{base.scheme}://{host_of(base)}{self._prefix}"

    def head(self, method: str, path: str, size: int | None, headers: Mapping[str, str] | None = None) -> bytes:
        """The head of a request with a body of `size` bytes; None: without a body. `headers` replace those of all.

        Raises ValueError for a header that cannot be sent.
        """
        lines = self._lines
        if headers:
            if headers != self._last:  # most calls send the same ones
                self._last_lines = self._lines_with(headers)
                self._last = dict(headers)
            lines = self._last_lines
        length = "" if size is None else f"content-length: {size}\r\n"
        return f"{method} {self._prefix}{target_of(path)} HTTP/1.1\r\n{lines}{length}\r\n".encode()

    def _lines_with(self, headers: Mapping[str, str]) -> str:
        more = {name.lower(): value for name, value in headers.items()}
        if self._fixed.keys().isdisjoint(more):
            return self._lines + _lines(more)
        return _lines(self._fixed | more)


def target_of(path: str) -> str:
    """The path and query as a request line can hold them."""
    if _TARGET.fullmatch(path):
        return path
    return quote(path.partition("#")[0], safe=_SAFE) or "/"


def host_of(url: SplitResult) -> str:
    """The host as headers name it: in ASCII, with its port unless that is the scheme's own."""
    host = ascii_host(url)
    name = f"[{host}]" if ":" in host else host
    return name if url.port in (None, _PORTS.get(url.scheme)) else f"{name}:{url.port}"


def ascii_host(url: SplitResult) -> str:
    """Raises ValueError if there is none, or one that no name server knows."""
    host = url.hostname or ""
    if not host.isascii():
        host = host.encode("idna").decode()
    if not host or _BREAKS.search(host) or " " in host:
        raise ValueError(f"{url.scheme}: the URL has no host")
    return host


def port_of(url: SplitResult) -> int:
    return url.port or _PORTS[url.scheme]


def basic(url: SplitResult) -> str:
    """The value of an authorization header for the user and password in a URL; empty if there are none."""
    if not url.username and not url.password:
        return ""
    pair = f"{unquote(url.username or '')}:{unquote(url.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _lines(headers: Mapping[str, str]) -> str:
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or _BREAKS.search(value):
            raise ValueError(
                f"a header cannot be sent: {name[:64]!r} or its value has characters that no header may have"
            )
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())
