"""Checks of this machine: descriptors, the data directory, the certificate."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dragoman_service.cli.upkeep.checks.finding import Finding, failed, ok, warning
from dragoman_service.process.limits import MIN_DESCRIPTORS, descriptor_limit
from dragoman_service.settings.errors import SettingsError
from dragoman_service.settings.server import ServerSettings, TlsSettings
from dragoman_service.transport.choice import INSTALL, chosen_transport, why_no_extension

FEW_DESCRIPTORS = 4096
SOON = timedelta(days=30)


def check_descriptors() -> Iterator[Finding]:
    """Whether the process may open as many files as it needs: each connection takes one."""
    limit = descriptor_limit()
    if limit is None:
        return
    found, remedy = f"{limit} files may be open", "raise `ulimit -Hn`, or LimitNOFILE of the systemd unit"
    if limit < MIN_DESCRIPTORS:
        yield failed("descriptors", found, remedy)
    elif limit < FEW_DESCRIPTORS:
        yield warning("descriptors", f"{found}: each connection takes one", remedy)
    else:
        yield ok("descriptors", found)


def check_transport(server: ServerSettings) -> Iterator[Finding]:
    """Which server takes the calls of gRPC, and whether this machine has it."""
    try:
        used = chosen_transport(server.transport)
    except SettingsError as wrong:
        yield failed("transport", wrong.mistakes[0].message, INSTALL)
        return
    missing = why_no_extension()
    able = f"; the native one cannot be used: {missing}" if missing else "; the native one can be used too"
    yield ok("transport", used if used == "native" else used + able)


def check_data_dir(server: ServerSettings) -> Iterator[Finding]:
    """Whether files can be written where the service keeps them."""
    folder = server.data_dir
    try:
        there = folder
        while not there.exists() and there != there.parent:
            there = there.parent
        is_usable = there.is_dir() and os.access(there, os.R_OK | os.W_OK | os.X_OK)
    except OSError as error:
        yield failed("data_dir", f"{folder}: {error.strerror}", "set server.data_dir to a folder")
        return
    if not is_usable:
        remedy = "let this user write there, or set server.data_dir to another folder"
        yield failed("data_dir", f"{there} cannot be written by this user", remedy)
    else:
        yield ok("data_dir", f"{folder} can be written" if there == folder else f"{folder} can be created")


def check_certificate(tls: TlsSettings | None) -> Iterator[Finding]:
    """Whether the certificates of the gRPC listener are valid, now and for a while, and fit their key."""
    if tls is None:
        return
    renew = "renew it: the service reads the new files by itself"
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(tls.certificate, tls.key, password="")
        begin, end = _validity(tls.certificate)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        why = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        remedy = "set server.tls.certificate and server.tls.key to a PEM certificate and its key without a password"
        yield failed("certificate", f"{tls.certificate} and {tls.key} cannot be used: {why}", remedy)
        return
    now = datetime.now(UTC)
    if now < begin:
        yield failed("certificate", f"is valid from {begin:%Y-%m-%d %H:%M} UTC on", "check the clock, or wait")
    elif now > end:
        yield failed("certificate", f"expired on {end:%Y-%m-%d}", renew)
    elif now > end - SOON:
        yield warning("certificate", f"expires on {end:%Y-%m-%d}, in {(end - now).days} days", renew)
    else:
        yield ok("certificate", f"is valid until {end:%Y-%m-%d}")


def _validity(path: Path) -> tuple[datetime, datetime]:
    """From when until when all certificates of the chain are valid."""
    from cryptography import x509

    chain = x509.load_pem_x509_certificates(path.read_bytes())
    return max(one.not_valid_before_utc for one in chain), min(one.not_valid_after_utc for one in chain)
