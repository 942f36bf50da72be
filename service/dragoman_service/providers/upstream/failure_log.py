"""Tells the operator why an upstream could not be reached; callers learn only that it is unavailable."""

from __future__ import annotations

import errno
import socket
import ssl
import time

import structlog

from dragoman_service.providers.upstream.connection import HttpError

INTERVAL = 10.0  # seconds between two lines about the same upstream and reason
MAX_TEXT = 300  # characters of the error's text

log = structlog.get_logger(__name__)

_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "dns"),
    (ssl.SSLCertVerificationError, "certificate"),
    (ssl.SSLError, "tls"),
    (TimeoutError, "timeout"),
)
_ERRNO = {
    errno.ECONNREFUSED: "refused",
    errno.ENOENT: "no_socket",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
}


class FailureLog:
    """Logs the failures of one upstream, at `address`."""

    def __init__(self, address: str, interval: float = INTERVAL) -> None:
        self._address = address
        self._interval = interval
        self._due: dict[str, float] = {}

    def report(self, failure: HttpError) -> None:
        """Logs why a request got no response, unless the same reason was logged a moment ago."""
        self.note(reason_of(failure), str(failure))

    def note(self, reason: str, text: str) -> None:
        """Logs a failure of that kind, unless the same was logged a moment ago."""
        now = time.monotonic()
        if now < self._due.get(reason, 0.0):
            return
        self._due[reason] = now + self._interval
        log.warning("upstream.failed", upstream=self._address, reason=reason, error=text[:MAX_TEXT])


def reason_of(failure: HttpError) -> str:
    """One word for the kind of failure: dns, certificate, tls, refused, unreachable, timeout, not_http, broken, …"""
    if failure.malformed:
        return "not_http"
    error = failure.__cause__
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    return _ERRNO.get(error.errno or 0, "broken") if isinstance(error, OSError) else "broken"
