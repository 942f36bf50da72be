"""Everything about a connection that is not I/O: where to, with which key, over TLS or not, which calls are retried."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import grpc

DEFAULT_TARGET = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 600.0  # seconds
ENV_TARGET = "DRAGOMAN_TARGET"
ENV_API_KEY = "DRAGOMAN_API_KEY"

# Repeating these changes nothing on the server: they read, or generate an answer that nobody has seen yet; gRPC never
# repeats a stream of which an event has come. StartCompletion always carries a request_id, so that a repetition finds
# the first one's operation. DeleteOperation stays out: it would report NOT_FOUND for what it has just deleted.
_REPEATABLE = {
    "dragoman.v1.CompletionService": (
        *("CreateCompletion", "StreamCompletion", "StartCompletion", "AttachCompletion"),
        *("CountTokens", "Tokenize"),
    ),
    "dragoman.v1.ModelService": ("ListModels", "GetModel"),
    "google.longrunning.Operations": ("GetOperation", "ListOperations", "WaitOperation", "CancelOperation"),
}
# A `grpc-retry-pushback-ms` trailer of the server goes before this back-off.
_RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.2s",
    "maxBackoff": "5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_OPTIONS: Mapping[str, int] = {
    "grpc.max_receive_message_length": 64 * 1024 * 1024,  # long answers with the probabilities of every token
    "grpc.per_rpc_retry_buffer_size": 8 * 1024 * 1024,  # longer requests are not retried; the service takes none
    "grpc.min_reconnect_backoff_ms": 5_000,  # which is gRPC's name for how long one attempt to connect may take
    "grpc.initial_reconnect_backoff_ms": 200,  # a service that restarts is found again within the retries above
    "grpc.max_reconnect_backoff_ms": 5_000,
    # A frozen service is noticed while calls wait for it. The service allows a ping every 10 s; without the last two
    # gRPC stops pinging after the second, and waits for the answer of a ping for a minute.
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.http2.max_pings_without_data": 0,
    "grpc.http2.ping_timeout_ms": 10_000,
}


@dataclass(frozen=True, slots=True)
class TLS:
    """Paths of PEM files. Without `ca` the certificates of gRPC's own list are trusted.

    `certificate` and `key` show the service who is calling, where it asks for that. `server_name` is the name that the
    service's certificate must have, if that is not the target's.
    """

    ca: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files. Raises OSError, or ValueError if only one of `certificate` and `key` is given."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("A client certificate needs both: TLS(certificate=…, key=…).")
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.certificate))


@dataclass(frozen=True, slots=True)
class Connection:
    """Where to connect and how; `timeout` in seconds for calls that do not say otherwise."""

    target: str
    timeout: float
    credentials: grpc.ChannelCredentials | None = field(repr=False)
    options: tuple[tuple[str, int | str], ...] = field(repr=False)
    metadata: tuple[tuple[str, str], ...] = field(repr=False)

    @classmethod
    def of(cls, target: str | None, api_key: str | None, tls: TLS | bool | None, timeout: float) -> Connection:
        """Fills in what was left out from the environment and the defaults."""
        target = target or os.environ.get(ENV_TARGET) or DEFAULT_TARGET
        api_key = os.environ.get(ENV_API_KEY) if api_key is None else api_key
        files = TLS() if tls is True else tls or None
        return cls(
            target=target,
            timeout=timeout,
            credentials=files.credentials() if files else None,
            options=_options(target, files),
            metadata=_authorization(api_key),
        )

    def time_for(self, timeout: float | None) -> float:
        """Seconds that a call may take whose caller asked for `timeout`."""
        return self.timeout if timeout is None else timeout


def service_config() -> str:
    """Which methods gRPC repeats by itself, and how often, as its service config in JSON."""
    names = [{"service": service, "method": method} for service, methods in _REPEATABLE.items() for method in methods]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": _RETRY_POLICY}]})


def _options(target: str, tls: TLS | None) -> tuple[tuple[str, int | str], ...]:
    options: dict[str, int | str] = dict(_OPTIONS)
    options["grpc.service_config"] = service_config()
    options["grpc.primary_user_agent"] = f"dragoman-python/{version('dragoman')}"
    if _is_loopback(target):
        options["grpc.enable_http_proxy"] = 0  # gRPC would ask $http_proxy to connect to this very machine
    if tls is not None and tls.server_name:
        options["grpc.ssl_target_name_override"] = tls.server_name
    return tuple(options.items())


def _authorization(api_key: str | None) -> tuple[tuple[str, str], ...]:
    """The key as metadata of each call: gRPC's own call credentials refuse to travel without TLS, even on loopback."""
    key = (api_key or "").strip()
    if not key:
        return ()
    if not (key.isascii() and key.isprintable()):
        raise ValueError("The API key has characters that no key has; was it copied whole and alone?")
    return (("authorization", f"Bearer {key}"),)


def _is_loopback(target: str) -> bool:
    address = target.rpartition("/")[2]
    return address.startswith(("127.", "localhost:", "[::1]:"))


def _read(path: str | Path | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
