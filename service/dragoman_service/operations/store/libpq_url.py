"""The URL of a PostgreSQL database, as libpq takes it: each of its parameters is translated, or refused by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from dragoman_service.operations.model.errors import OperationStoreError

SHAPE = "should be as in postgresql://USER:PASSWORD@HOST:5432/DATABASE"
_FALSE = frozenset({"0", "false", "off", "no"})

_DRIVERS = frozenset(
    [
        "host",
        "port",
        "dbname",
        "user",
        "password",
        "passfile",
        "service",
        "options",
        "sslmode",
        "sslcert",
        "sslkey",
        "sslrootcert",
        "sslcrl",
        "sslpassword",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "krbsrvname",
        "gsslib",
    ]
)
"""Parameters that the driver knows."""
_NEEDLESS = frozenset(
    [
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "fallback_application_name",
    ]
)
"""Parameters without a use here: every wait for the server has a limit of its own, and the application a name."""
_ACCEPTED: Mapping[str, frozenset[str]] = {
    # Only a server that takes writes is of use, so one that does not is passed over, whichever of them is given.
    "target_session_attrs": frozenset({"any", "read-write", "primary"}),
    "channel_binding": frozenset({"prefer", "disable"}),
    "client_encoding": frozenset({"utf8", "utf-8", "auto"}),
    "gssencmode": frozenset({"prefer", "disable"}),
    "gssdelegation": _FALSE,
    "load_balance_hosts": frozenset({"disable"}),
    "max_protocol_version": frozenset({"3.0", "3.2", "latest"}),
    "min_protocol_version": frozenset({"3.0"}),
    "replication": _FALSE,
    "requiressl": _FALSE,
    "sslcertmode": frozenset({"allow"}),
    "sslcompression": frozenset({"0", "1"}),  # libpq ignores it too
    "sslnegotiation": frozenset({"postgres"}),
    "sslsni": frozenset({"1"}),
}
"""Parameters of which the driver does what these values say, and nothing else."""

_VALUES: Mapping[str, frozenset[str]] = {
    "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
}
"""Values of parameters that the driver knows."""


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """What a connection is made with."""

    url: str
    """With the parameters that the driver knows."""
    connect_seconds: float
    settings: Mapping[str, str]
    """Settings of the session."""


def read_url(url: str, connect_seconds: float) -> DatabaseAddress:
    """Translates `url`. `connect_seconds` holds if the URL has no connect_timeout.

    Raises OperationStoreError, which quotes no value, because that may be a password in the wrong place.
    """
    try:
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise OperationStoreError(SHAPE) from None
    settings: dict[str, str] = {}
    passed: dict[str, str] = {}
    for name, value in given.items():
        if name in _DRIVERS:
            if name in _VALUES:
                _check(name, value, _VALUES)
            passed[name] = value
        elif name == "application_name":
            settings[name] = value
        elif name == "connect_timeout":
            connect_seconds = _seconds(value) or connect_seconds
        elif name in _ACCEPTED:
            _check(name, value, _ACCEPTED)
        elif name not in _NEEDLESS:
            raise OperationStoreError(f"the parameter {_shown(name)} is not supported: remove it from the URL")
    _check_certificates(passed)
    query = urlencode(passed, quote_via=quote, safe="/")
    return DatabaseAddress(parts._replace(query=query).geturl(), connect_seconds, settings)


def _check(name: str, value: str, values: Mapping[str, frozenset[str]]) -> None:
    accepted = values[name]
    if value.lower() not in accepted:
        raise OperationStoreError(f"the parameter {name} should be one of {', '.join(sorted(accepted))}, or be removed")


def _check_certificates(given: Mapping[str, str]) -> None:
    if given.get("sslmode") == "disable":
        return
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
        if given.get(name) and not os.path.isfile(given[name]):
            raise OperationStoreError(f"the parameter {name} should be the path of a file that exists")
    if given.get("sslmode", "").startswith("verify") and not (given.get("sslrootcert") or _has_authority(given)):
        why = "the parameter sslmode needs the parameter sslrootcert, the path of the authority's certificate"
        raise OperationStoreError(why)


def _has_authority(given: Mapping[str, str]) -> bool:
    """Whether the authority's certificate may come from where libpq looks outside the URL."""
    names = os.environ.keys() & {"PGSSLROOTCERT", "PGSERVICE"}
    return "service" in given or bool(names) or os.path.isfile(os.path.expanduser("~/.postgresql/root.crt"))


def _seconds(value: str) -> float:
    """As libpq takes it: at least 2; 0 or less is no limit, for which the service keeps its own."""
    try:
        seconds = int(value)
    except ValueError:
        raise OperationStoreError("the parameter connect_timeout should be a whole number of seconds") from None
    return float(min(max(seconds, 2), 600)) if seconds > 0 else 0.0


def _shown(name: str) -> str:
    """A name that looks like a parameter's; anything else may be a secret."""
    return name if name.isascii() and name.replace("_", "").islower() and len(name) <= 40 else "with an unusual name"
