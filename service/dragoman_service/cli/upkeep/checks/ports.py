"""Checks of the ports: free, served by a service already, or taken by another program."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

from dragoman_service.cli.upkeep.checks.finding import Finding, failed, ok
from dragoman_service.process.ports import reserved
from dragoman_service.settings.errors import SettingsError
from dragoman_service.settings.server import ServerSettings
from dragoman_service.settings.types import Address

SECONDS = 3.0  # for an answer of whoever listens
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS_FRAME = 4


def check_ports(server: ServerSettings) -> Iterator[Finding]:
    """A finding for each listener."""
    for name, address in (("grpc", server.grpc), ("http", server.http), ("metrics", server.metrics)):
        if address is not None:
            yield _check(name, address, server)


def _check(name: str, address: Address, server: ServerSettings) -> Finding:
    check, setting = f"port {name}", f"server.{name}"
    if not address.port:
        return ok(check, f"{address}: the system chooses a port")
    try:
        with reserved(setting, address):
            return ok(check, f"{address} is free")
    except SettingsError as wrong:
        why = wrong.mistakes[0].message
    except OSError as error:
        why = f"{address}: {error.strerror or error}"
    serves = _speaks_http2(address, tls=server.tls is not None) if name == "grpc" else _is_live(address, name)
    if serves:
        return ok(check, f"{address} is served already")
    return failed(check, why, f"stop the program that listens there, or set {setting} to another address")


def _is_live(address: Address, name: str) -> bool:
    """Whether an HTTP server answers there as ours does."""
    connection = http.client.HTTPConnection(_reachable(address), address.port, timeout=SECONDS)
    try:
        connection.request("GET", "/metrics" if name == "metrics" else "/livez")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _speaks_http2(address: Address, *, tls: bool) -> bool:
    """Whether the first frame of whoever listens is that of an HTTP/2 server."""
    try:
        with socket.create_connection((_reachable(address), address.port), SECONDS) as plain:
            stream = _unverified().wrap_socket(plain) if tls else plain
            stream.sendall(_PREFACE)
            frame = stream.recv(4)
            return len(frame) == 4 and frame[3] == _SETTINGS_FRAME
    except OSError:
        return False


def _unverified() -> ssl.SSLContext:
    """TLS to whoever listens on this machine's own port: only what is spoken there is of interest."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def _reachable(address: Address) -> str:
    if address.unspecified:
        return "::1" if ":" in address.host else "127.0.0.1"
    return address.host
