"""The certificate of the gRPC listener, whose files may be renewed while it listens."""

from __future__ import annotations

import ssl
from os import stat_result
from pathlib import Path

import grpc
import structlog

log = structlog.get_logger(__name__)

_State = tuple[tuple[int, ...], ...]


class Certificate:
    """A certificate and its key, in PEM files. Renewed files are used for new connections; a pair that cannot be used
    is logged, and the last sound one is kept.

    Raises SSLError or OSError if the pair cannot be used now. Its methods may be called in any thread.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._seen = self._state()
        self._context, self._configuration = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials for a port, which look at the files in each handshake."""
        return grpc.dynamic_ssl_server_credentials(self._configuration, self.renewed)  # type: ignore[arg-type]

    def context(self) -> ssl.SSLContext:
        """A context for asyncio, which looks at the files in each handshake."""
        context = _context(self._certificate, self._key)
        context.sni_callback = self._choose  # called for every client, with or without a name of the server
        return context

    def _choose(self, handshake: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        self.renewed()
        handshake.context = self._context

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """The pair in the files, if it is sound and other than in the last call; else None."""
        try:
            if (state := self._state()) == self._seen:
                return None
            context, configuration = self._read()
            if self._state() != state:  # they are being written; the next connection looks again
                return None
        except (ssl.SSLError, OSError) as error:
            self._report(error)
            return None
        self._seen, self._context, self._configuration = state, context, configuration
        log.info("tls.certificate_renewed", certificate=str(self._certificate))
        return configuration

    def expiry(self) -> float:
        """When the certificate in its file expires, in seconds since 1970. Raises OSError or ValueError if the file
        does not hold one, as while it is replaced."""
        from cryptography import x509  # takes a while, and servers without TLS do not need it

        return x509.load_pem_x509_certificate(self._certificate.read_bytes()).not_valid_after_utc.timestamp()

    def _report(self, error: OSError) -> None:
        """Logs an error once for each state of the files."""
        try:
            state = self._state()
        except OSError:
            state = ()
        if state != self._seen:
            self._seen = state
            log.error("tls.certificate_unusable", certificate=str(self._certificate), error=str(error))

    def _read(self) -> tuple[ssl.SSLContext, grpc.ServerCertificateConfiguration]:
        context = _context(self._certificate, self._key)
        pair = (self._key.read_bytes(), self._certificate.read_bytes())
        return context, grpc.ssl_server_certificate_configuration([pair])

    def _state(self) -> _State:
        return tuple(_identity(path.stat()) for path in (self._certificate, self._key))


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A context for servers of HTTP/2. Raises SSLError or OSError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key, password="")  # not None, which would ask on the terminal
    context.set_alpn_protocols(["h2"])
    return context


def _identity(status: stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
